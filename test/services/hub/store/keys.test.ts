import fc from 'fast-check'
import t from 'tap'
import { decodeKey, encodeKey } from '../../../../services/engine/local/state/state-key.ts'
import { cursorKey, expiredMessageKey, groupsKey, receiptKey, sessionKey } from '../../../../services/hub/store/keys.ts'
import { MAX_ID_LENGTH } from '../../../../services/model/message.ts'
import { connectJson } from '../../../support/json-client.ts'
import { listen, until } from '../../../support/helper.ts'
import { testFolder } from '../../../support/test-folder.ts'

/** What the engine's state takes (services/engine/engine.ts, State). */
const MAX_KEY_BYTES = 1024
const awkward = fc.constantFrom('a', '/', '%', '%2F', '..', '\0', 'ö', '一', '😀', ' ')
const ids = fc.string({ unit: fc.oneof(awkward, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 })), minLength: 1, maxLength: MAX_ID_LENGTH }).filter((id) => id.length <= MAX_ID_LENGTH)
const devices = fc.string({ unit: fc.constantFrom(...'aZ09_.:-'), maxLength: 64 })

t.test('every user has keys of its own, whatever its name, and none is longer than a key may be', async (t) => {
  const inboxKey = (user: string, name: string): string => encodeKey(cursorKey({ user, name, scope: 'inbox' }))
  const everythingKey = (user: string): string => encodeKey(cursorKey({ user, name: '', scope: 'everything' }))
  fc.assert(fc.property(ids, ids, devices, devices, (user, other, device, another) => {
    const texts = [inboxKey(user, device), everythingKey(user), encodeKey(groupsKey(user))]
    const others = [inboxKey(other, device), everythingKey(other), encodeKey(groupsKey(other))]
    return texts.every((text, n) => (text === others[n]) === (user === other) && Buffer.byteLength(text) <= MAX_KEY_BYTES) &&
      (inboxKey(user, device) === inboxKey(user, another)) === (device === another) &&
      decodeKey(inboxKey(user, device)).at(-1) === device
  }))
  for (const character of ['/', '%', '一', '\u{10ffff}']) {
    const user = character.repeat(MAX_ID_LENGTH / character.length)
    t.ok(Buffer.byteLength(inboxKey(user, 'd'.repeat(64))) <= MAX_KEY_BYTES, `256 times ${character}`)
  }
})

t.test('the keys on disk are those of version 0.1', (t) => {
  const keys = [
    cursorKey({ user: 'a/b%', name: 'phone', scope: 'inbox' }), cursorKey({ user: 'bob', name: '', scope: 'inbox' }),
    cursorKey({ user: 'bob', name: '', scope: 'everything' }), groupsKey('bob'), sessionKey('c-1'), expiredMessageKey(5), receiptKey(6)
  ]
  t.same(keys.map(encodeKey), ['inbox/a%2Fb%25/phone', 'inbox/bob/', 'mailbox/bob', 'groups/bob', 'session/c-1', 'ending/5', 'receipt/6'])
  t.end()
})

t.test('a user with the longest name there may be has an inbox and groups, on disk too', async (t) => {
  const { app: { hub }, url } = await listen(t, { engine: { kind: 'file', path: testFolder(t) } })
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
