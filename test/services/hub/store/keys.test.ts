import fc from 'fast-check'
import t from 'tap'
import { cursorKey, EVERYTHING_PREFIX, groupsKey, inboxPrefix, nameOfKey } from '../../../../services/hub/store/keys.ts'
import { MAX_ID_LENGTH } from '../../../../services/model/message.ts'
import { connectJson } from '../../../support/json-client.ts'
import { listen, until } from '../../../support/helper.ts'

/** What the engine's state takes (services/engine/engine.ts, State). */
const MAX_KEY_BYTES = 1024
const awkward = fc.constantFrom('a', '/', '%', '%2F', '..', '\0', 'ö', '一', '😀', ' ')
const ids = fc.string({ unit: fc.oneof(awkward, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 })), minLength: 1, maxLength: MAX_ID_LENGTH }).filter((id) => id.length <= MAX_ID_LENGTH)
const devices = fc.string({ unit: fc.constantFrom(...'aZ09_.:-'), maxLength: 64 })

t.test('every user has keys of its own, whatever its name, and none is longer than a key may be', async (t) => {
  fc.assert(fc.property(ids, ids, devices, devices, (user, other, device, another) => {
    const inboxKey = (name: string): string => cursorKey({ user, name, scope: 'inbox' })
    const everythingKey = (one: string): string => cursorKey({ user: one, name: '', scope: 'everything' })
    const key = inboxKey(device)
    return key.startsWith(inboxPrefix(user)) && everythingKey(user).startsWith(EVERYTHING_PREFIX) && (everythingKey(user) === everythingKey(other)) === (user === other) && key.startsWith(inboxPrefix(other)) === (user === other) &&
      (groupsKey(user) === groupsKey(other)) === (user === other) && (key === inboxKey(another)) === (device === another) &&
      nameOfKey(key) === device && Math.max(Buffer.byteLength(key), Buffer.byteLength(groupsKey(user))) <= MAX_KEY_BYTES
  }))
  for (const character of ['/', '%', '一', '\u{10ffff}']) {
    const user = character.repeat(MAX_ID_LENGTH / character.length)
    t.ok(Buffer.byteLength(cursorKey({ user, name: 'd'.repeat(64), scope: 'inbox' })) <= MAX_KEY_BYTES, `256 times ${character}`)
  }
})

t.test('a user with the longest name there may be has an inbox and groups, on disk too', async (t) => {
  const { app: { hub }, url } = await listen(t, { engine: { kind: 'lmdb', path: t.testdir({}) } })
  const user = '一'.repeat(MAX_ID_LENGTH)
  await hub.join({ user }, 'news')
  await hub.send({ user }, 'message')
  const client = await connectJson(t, url, { user, query: `&device=${'d'.repeat(64)}` })
  const { sequenceId, data } = await client.nextJson()
  t.equal(data, 'message')
  client.sendJson({ type: 'sequenceAck', sequenceId })
  await until(async () => (await hub.inbox(user)).cursors.some(({ acknowledged }) => acknowledged === sequenceId), 'the acknowledgement')
  await until(async () => (await hub.send({ group: 'news' }, 'x')).matched === 1, 'being a member')
})
