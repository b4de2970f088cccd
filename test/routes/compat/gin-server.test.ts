// What went wrong in ginServer, and what only an application sees.

import { once } from 'node:events'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { ConfigInput } from '../../../services/config/input.ts'
import { openEvents } from '../../support/event-client.ts'
import { listen, TestClient, token, until } from '../../support/helper.ts'
import { rawConnect } from '../../support/raw-client.ts'

async function serve (t: Test, config: ConfigInput = {}) {
  const service = await listen(t, { ...config, compat: { ginServer: 'open', ...config.compat } })
  const open = async (query = '', protocols: string[] = []): Promise<TestClient> => {
    const client = new TestClient(new WebSocket(`${service.origin.replace('http', 'ws')}/ws${query}`, protocols))
    t.teardown(() => client.socket.terminate())
    await once(client.socket, 'open')
    return client
  }
  return { ...service, open }
}

const ask = (actioncode: string, more: object = {}): string => JSON.stringify({ actioncode, ...more })

t.test('a client that does not read delays no other client, and a new client is served', async (t) => {
  const { app, open, port } = await serve(t, { websocket: { messagesPerSecond: 0 } })
  const frozen = await rawConnect({ port, path: '/ws' })
  frozen.pause()
  t.teardown(() => frozen.destroy())
  const alice = await open()
  // Enough to fill what the kernel and the older service's queue of 1024 would have held.
  for (let n = 0; n < 3000; n++) await app.hub.broadcast({ n, padding: 'x'.repeat(2000) })
  const numbers = Array.from({ length: 3000 }, (_, n) => n)
  const got: unknown[] = []
  while (got.length < numbers.length) got.push((JSON.parse(String(await alice.next())) as { n?: unknown }).n)
  t.same(got, numbers)
  const bob = await open()
  bob.send(ask('heart_beat'))
  t.match(JSON.parse(String(await bob.next())), { code: 0 })
})

t.test('data reaches the action, whichever way its name is written, and may come in a binary frame', async (t) => {
  const { app, open } = await serve(t)
  app.hub.action('get_user', Type.Object({ id: Type.Integer() }), ({ id }, { identity }) => ({ id, by: identity.user }))
  app.hub.action('setName', Type.Unknown(), (data) => data)
  const alice = await open()
  for (const name of ['get_user', 'getUser', 'GetUser']) {
    alice.send(ask(name, { data: { id: 7 } }))
    t.match(JSON.parse(String(await alice.next())), { code: 0, data: { id: 7, by: /^guest-/ }, actioncode: name })
  }
  alice.send(Buffer.from(ask('set_name', { data: { a: [1] } })))
  t.same(JSON.parse(String(await alice.next())), { code: 0, msg: '成功', data: { a: [1] }, actioncode: 'set_name' })
})

t.test('an action that fails by accident is answered with its code, and logged', async (t) => {
  const { app, log, open } = await serve(t, { websocket: { actionTimeout: '20ms' } })
  app.hub.action('break', Type.Unknown(), () => { throw new Error('secret detail') })
  app.hub.action('hang', Type.Unknown(), () => new Promise(() => {}))
  app.hub.action('unsayable', Type.Unknown(), () => 1n)
  const alice = await open()
  for (const name of ['break', 'hang', 'unsayable']) {
    alice.send(ask(name))
    t.same(JSON.parse(String(await alice.next())), { code: 4, msg: '系统异常', data: '', actioncode: name })
  }
  t.match(log.lines.find(({ msg }) => msg === 'an action failed'), { action: 'break', err: { message: 'secret detail' } })
})

t.test('the application may have a heartbeat of its own, and replies to other clients wait for no client', async (t) => {
  const { app, open, origin } = await serve(t)
  app.hub.action('heart_beat', Type.Unknown(), () => 'mine')
  t.throws(() => app.hub.action('heart_beat', Type.Unknown(), () => null), /exists already/)
  const { offset } = await app.hub.broadcast('before')
  const [alice, bob] = [await open(), await open()]
  alice.send(ask('heart_beat', { is_broadcast: true, client_ids: ['nobody'] }))
  for (const client of [alice, bob]) t.match(JSON.parse(String(await client.next())), { code: 0, data: 'mine' })
  t.same(await alice.quiet(), [], 'once')
  await app.hub.broadcast('after')
  const reader = await openEvents(t, origin, { after: `${offset}` })
  await until(() => reader.events.length > 0)
  t.same(reader.data, ['after'], 'the log has no reply')
})

t.test('what goes wrong concerns the caller alone', async (t) => {
  const { app, open } = await serve(t)
  app.hub.action('break', Type.Unknown(), () => { throw new Error('no') })
  const [alice, bob] = [await open(), await open()]
  alice.send(ask('break', { is_broadcast: true }))
  t.match(JSON.parse(String(await alice.next())), { code: 4 })
  t.same(await bob.quiet(), [])
})

t.test('under token, a role of its own lets a client reach others', async (t) => {
  const { open } = await serve(t, { compat: { ginServer: 'token' } })
  const [alice, bob] = [await open(`?token=${token({ user: 'alice', roles: ['ginServer.broadcast'] })}`), await open(`?token=${token({ user: 'bob' })}`)]
  alice.send(ask('heart_beat', { is_broadcast: true }))
  t.match(JSON.parse(String(await bob.next())), { code: 0, data: true })
  bob.send(ask('heart_beat', { client_ids: ['anybody'] }))
  t.match(JSON.parse(String(await bob.next())), { code: 9 })
})

t.test('a token that comes as a subprotocol is not the one that is echoed', async (t) => {
  const { open } = await serve(t, { compat: { ginServer: 'token' } })
  const alice = await open('', [`bearer.${token()}`, 'chat'])
  t.equal(alice.socket.protocol, 'chat')
})

t.test('messages that no action takes go to the application, where it takes them', async (t) => {
  const { app, open } = await serve(t)
  app.hub.onMessage((client, data) => client.reply(`taken: ${String(data)}`))
  const alice = await open()
  alice.send('{"actioncode":"nobody_knows"}')
  t.equal(await alice.next(), 'taken: {"actioncode":"nobody_knows"}')
})

t.test('text that would poison an object ends the connection, and nothing else', async (t) => {
  const { app, open } = await serve(t)
  for (const text of ['{"actioncode":"heart_beat","data":{"__proto__":{"a":1}}}', `{"actioncode":"heart_beat","data":${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}}`, '[]', '1', '"x"', '{"client_ids":[1]}', '{"is_broadcast":"yes"}']) {
    const client = await open()
    client.send(text)
    const end = await Promise.race([client.closed(), client.next()])
    // The endpoint does not limit the depth of an object: the request gets a reply or a refusal.
    if (text.includes('"a":{"a"')) t.ok(typeof end === 'string' ? /"code":0/.test(end) : 'code' in end && end.code === 1008)
    else t.match(end, { code: 1008 }, text.slice(0, 40))
  }
  t.equal(({} as { a?: number }).a, undefined)
  t.equal(app.hub.state, 'ready')
})

t.test('an answer goes to each of the others once, however often it is named, and to a bounded number of them', async (t) => {
  const { app, open } = await serve(t)
  const alice = await open()
  const bob = await open()
  const { clients } = await app.hub.clients()
  const id = clients.at(-1)?.id ?? ''
  alice.send(ask('heart_beat', { client_ids: Array.from({ length: 100 }, () => id) }))
  t.match(JSON.parse(String(await bob.next())), { code: 0 })
  t.same(await bob.quiet(), [])
  alice.send(ask('heart_beat', { client_ids: Array.from({ length: 101 }, (_, n) => `somebody ${n}`) }))
  await alice.next()
  t.match(await alice.closed(), { code: 1008 })
})
