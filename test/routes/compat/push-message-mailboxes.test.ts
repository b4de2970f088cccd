// Messages for pushMessage clients that are away.

import t from 'tap'
import { HubError } from '../../../index.ts'
import type { ConfigInput } from '../../../services/config/input.ts'
import { Engine } from '../../../services/engine/engine.ts'
import { MemoryState } from '../../../services/engine/memory/state.ts'
import { DurableCursors } from '../../../services/hub/store/durable-cursors.ts'
import { connect, listen, until } from '../../support/helper.ts'
import { frame, handshake, OPCODE, rawConnect, rawRequest } from '../../support/raw-client.ts'
import { patch } from '../../support/patch.ts'
import { open, serve, take } from './push-message.ts'
import { testFolder } from '../../support/test-folder.ts'

t.test('a mailbox with waiting messages can be destroyed', async (t) => {
  const service = await serve(t)
  const alice = await open(t, service, 'alice')
  alice.socket.terminate()
  await until(() => service.app.hub.size === 0)
  for (let n = 0; n < 3; n++) t.equal(await service.post('/message/alice', n), 200)
  t.equal(await service.destroy('alice'), 404, 'not online')
  t.equal(await service.post('/message/alice', 'nobody'), 404)
  const again = await open(t, service, 'alice')
  t.same(await again.quiet(), [], 'a new mailbox is empty')
  t.equal(await service.post('/message/alice', 'news'), 200)
  t.equal(await again.next(), '"news"\n')
})

t.test('a mailbox stays destroyed, although its reader acknowledges once more', async (t) => {
  const service = await serve(t)
  const alice = await rawConnect({ port: service.port, path: '/client/alice' })
  t.teardown(() => alice.destroy())
  t.equal(await service.post('/message/alice', 'news'), 200)
  t.equal((await alice.next()).opcode, OPCODE.text)
  const question = await alice.next()
  t.equal(question.opcode, OPCODE.ping)
  t.equal(await service.destroy('alice'), 200)
  // Its Close frame is on its way, but it answers the question first.
  alice.send(frame({ opcode: OPCODE.pong, payload: question.payload }))
  alice.send(frame({ opcode: OPCODE.close }))
  await alice.closed()
  await until(() => service.app.hub.size === 0)
  t.equal(await service.post('/message/alice', 'nobody'), 404)
})

t.test('a mailbox is bounded: the oldest messages leave, and the rest comes in order', async (t) => {
  const service = await serve(t, { inbox: { maxCount: 5 } })
  const alice = await open(t, service, 'alice')
  alice.socket.terminate()
  await until(() => service.app.hub.size === 0)
  for (let n = 0; n < 12; n++) await service.post('/message/alice', n)
  t.same(await take(await open(t, service, 'alice'), 5), [7, 8, 9, 10, 11])
})

t.test('mailboxes and what waits in them outlive the service', async (t) => {
  const path = testFolder(t)
  const config: ConfigInput = { engine: { kind: 'file', path } }
  const before = await serve(t, config)
  const alice = await open(t, before, 'alice')
  await before.post('/message/alice', 'read')
  t.equal(await alice.next(), '"read"\n')
  await alice.quiet()
  alice.socket.terminate()
  await until(() => before.app.hub.size === 0)
  await before.post('/message/alice', 'one')
  await before.post('/message', 'two')
  await before.app.close()

  const after = await serve(t, config)
  t.equal(await after.post('/message/alice', 'three'), 200, 'it is there before its client is')
  const again = await open(t, after, 'alice')
  t.same(await take(again, 3), ['one', 'two', 'three'])
  t.same(await again.quiet(), [])
})

t.test('the mailbox is there before the connection is: a push in that moment finds it', async (t) => {
  const service = await serve(t)
  for (const id of ['a', 'b', 'c']) {
    const client = await rawConnect({ port: service.port, path: `/client/${id}` })
    t.teardown(() => client.destroy())
    t.equal(await service.post(`/message/${id}`, 'at once'), 200)
  }
})

t.test('what waits in a mailbox is counted, and mailboxes have a limit', async (t) => {
  const service = await serve(t, { inbox: { maxMailboxes: 2 } })
  const { hub } = service.app
  await hub.send({ user: 'alice' }, 'before there was a mailbox')
  const alice = await open(t, service, 'alice')
  for (let n = 0; n < 12; n++) await service.post('/message/alice', n)
  await take(alice, 12)
  await until(async () => (await hub.inbox('alice')).count === 0, 'all is acknowledged')
  t.match(await hub.inbox('alice'), { count: 0, dropped: 0, cursors: [{ device: '', scope: 'everything' }] })
  alice.socket.terminate()
  await until(() => hub.size === 0)
  await service.post('/message/alice', 'waits')
  t.match(await hub.inbox('alice'), { count: 1, dropped: 0 })

  await open(t, service, 'bob')
  const refused = await rawRequest(service.port, handshake({ path: '/client/carol' }))
  t.match(refused, /^HTTP\/1\.1 503 .*HUB_FULL/s)
  t.equal(await (await open(t, service, 'alice')).next(), '"waits"\n', 'who has one may come')
  t.equal(await service.destroy('bob'), 200)
  await open(t, service, 'carol')
})

t.test('who is refused has made no mailbox', async (t) => {
  const service = await serve(t, { websocket: { maxClientsPerUser: 1 } })
  await connect(t, service.url, { user: 'bob' })
  t.match(await rawRequest(service.port, handshake({ path: '/client/bob' })), /^HTTP\/1\.1 429 .*HUB_USER_FULL/s)
  t.equal(await service.post('/message/bob', 'nobody'), 404)
})

t.test('what a lossy policy drops for a slow reader is not lost to the mailbox', async (t) => {
  const service = await serve(t, { websocket: { slowClient: 'dropOldest', maxQueueSize: 70_000, writeReadBufferSize: 1024 } })
  const slow = await rawConnect({ port: service.port, path: '/client/alice' })
  t.teardown(() => slow.destroy())
  slow.pause()
  const { hub } = service.app
  const text = 'x'.repeat(30_000)
  let sent = 0
  for (; hub.counters.dropped === 0; sent++) await hub.broadcast(`${sent} ${text}`)
  slow.resume()
  // The client reads on, and responds to every probe.
  const heard: number[] = []
  while (heard.at(-1) !== sent - 1) {
    const { opcode, payload } = await slow.next()
    if (opcode === OPCODE.ping) slow.send(frame({ opcode: OPCODE.pong, payload }))
    else heard.push(parseInt(payload.toString().slice(1)))
  }
  const lost = Array.from({ length: sent }, (_, n) => n).find((n) => !heard.includes(n))
  t.ok(lost !== undefined, 'something was dropped')
  const left = new Promise((resolve) => hub.on('close', resolve))
  slow.destroy()
  await left
  const again = await open(t, service, 'alice')
  const first = parseInt(String(await again.next()).slice(1))
  t.ok(first <= (lost ?? 0), 'the first that was dropped comes when its reader comes back')
})

t.test('while no message can be stored, a mailbox can be read, and no response claims that a message is stored', async (t) => {
  const service = await serve(t, { inbox: { maxMailboxes: 2 } })
  const { hub } = service.app
  await open(t, service, 'alice')
  const restore = [
    patch(t, MemoryState, 'update', () => () => Promise.reject(new HubError('HUB_STORE_FAILED', 'The disk is full.'))),
    patch(t, Engine, 'append', (append) => async function (this: Engine, draft) {
      return { ...await append.call(this, { ...draft, keep: false }), stored: false }
    })
  ]
  const again = await open(t, service, 'alice')
  t.equal(await service.post('/message/alice', 'live'), 200, 'somebody is there')
  t.equal(await again.next(), '"live"\n')
  for (let n = 0; n < 3; n++) t.match(await rawRequest(service.port, handshake({ path: '/client/bob' })), /^HTTP\/1\.1 503 .*HUB_STORE_FAILED/s)
  await t.rejects(hub.disconnect({ all: true }), { code: 'HUB_STORE_FAILED' }, 'the end of lost sessions is not stored')
  await until(() => hub.size === 0)
  t.equal(await service.post('/message/alice', 'lost'), 503, 'nobody is there')

  for (const undo of restore) undo()
  await open(t, service, 'bob')
})

t.test('a mailbox that is removed while its reader comes is there for who has come', async (t) => {
  const { app, origin } = await listen(t, { compat: { pushMessage: 'open' } })
  let isFirst = true
  patch(t, DurableCursors, 'open', (openCursor) => async function (this: DurableCursors, cursor) {
    const opened = await openCursor.call(this, cursor)
    if (isFirst) await this.remove(cursor)
    isFirst = false
    return opened
  })
  const alice = await open(t, { origin }, 'alice')
  await until(async () => (await app.hub.inbox('alice')).cursors.length > 0)
  t.equal((await fetch(`${origin}/message/alice`, { method: 'POST', body: '1' })).status, 200)
  t.equal(await alice.next(), '1\n')
})

t.test('an acknowledgement passes over none of several messages that were dropped for a slow client', async (t) => {
  const slowClients = { slowClient: 'dropOldest', maxQueueSize: 70_000, writeReadBufferSize: 1024 } as const
  const service = await serve(t, { websocket: slowClients })
  const slow = await rawConnect({ port: service.port, path: '/client/alice' })
  t.teardown(() => slow.destroy())
  slow.pause()
  const { hub } = service.app
  const offsets: number[] = []
  while (hub.counters.dropped < 3) {
    offsets.push((await hub.broadcast(`${offsets.length} ${'x'.repeat(30_000)}`)).offset)
  }
  slow.resume()
  // The first probe is for the first message. The second probe comes after the last message.
  const received: number[] = []
  for (let probes = 0; probes < 2;) {
    const { opcode, payload } = await slow.next()
    if (opcode === OPCODE.text) received.push(parseInt(payload.toString().slice(1)))
    if (opcode !== OPCODE.ping || payload.length === 0) continue
    slow.send(frame({ opcode: OPCODE.pong, payload }))
    probes++
  }
  t.equal(received.at(-1), offsets.length - 1)
  const firstLost = received.findIndex((number, at) => number !== at)
  const acknowledged = async (): Promise<number> => (await hub.inbox('alice')).cursors[0]?.acknowledged ?? 0
  await until(async () => await acknowledged() > (offsets[0] ?? 0), 'the second acknowledgement')
  t.equal(await acknowledged(), (offsets[firstLost] ?? 0) - 1)

  slow.destroy()
  await until(() => hub.size === 0)
  const again = await open(t, service, 'alice')
  const missed = (await take(again, offsets.length - firstLost)).map((text) => parseInt(String(text)))
  t.same(missed, offsets.map((_, n) => n).slice(firstLost), 'the next connection receives all of these messages')
})

t.test('of several broadcasts in one tick, the next connection receives none again that this connection acknowledged', async (t) => {
  const service = await serve(t)
  const { hub } = service.app
  const alice = await rawConnect({ port: service.port, path: '/client/alice' })
  t.teardown(() => alice.destroy())
  await until(async () => (await hub.clients()).clients[0]?.behind === false, 'being live')
  const receipts = await Promise.all(['one', 'two', 'three'].map((message) => hub.broadcast(message)))
  for (const text of ['one', 'two', 'three']) t.equal((await alice.next()).payload.toString(), `"${text}"\n`)
  const probe = await alice.next()
  t.equal(probe.opcode, OPCODE.ping)
  alice.send(frame({ opcode: OPCODE.pong, payload: probe.payload }))
  const acknowledged = async (): Promise<unknown> => (await hub.inbox('alice')).cursors[0]?.acknowledged
  await until(async () => await acknowledged() === receipts[2]?.offset, 'the acknowledgement of the last broadcast')
  alice.destroy()
  await until(() => hub.size === 0)
  await hub.broadcast('four')
  t.equal(await (await open(t, service, 'alice')).next(), '"four"\n')
})
