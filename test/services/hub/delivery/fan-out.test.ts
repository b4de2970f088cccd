import t from 'tap'
import { connect, GREETING, listen, token, until } from '../../../support/helper.ts'
import { PLAIN, type JsonFrame, connectJson } from '../../../support/json-client.ts'
import { OPCODE, rawConnect } from '../../../support/raw-client.ts'

t.test('of several broadcasts in one tick, each reaches exactly the clients that its except does not name', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const alice = await connectJson(t, url, { subprotocol: PLAIN })
  const bob = await connectJson(t, url, { subprotocol: PLAIN })
  await until(async () => (await hub.clients()).clients.every(({ behind }) => !behind), 'being live')
  const receipts = await Promise.all([
    hub.broadcast('to both'), hub.broadcast('to alice', { except: [bob.id] }),
    hub.broadcast('to bob', { except: [alice.id] }), hub.broadcast('to both again')
  ])
  t.same(receipts.map(({ matched, written }) => [matched, written]), [[2, 2], [1, 1], [1, 1], [2, 2]])
  const received = await Promise.all([alice, bob].map((client) => client.quiet()))
  const data = received.map((frames) => frames.map((text) => (JSON.parse(String(text)) as JsonFrame)['data']))
  t.same(data, [['to both', 'to alice', 'to both again'], ['to both', 'to bob', 'to both again']])
})

t.test('a closing client does not match, also before its connection has ended', async (t) => {
  const { app: { hub }, port, url } = await listen(t)
  // A client that does not respond to the Close frame: the connection ends with the timeout of the closing handshake.
  const closing = await rawConnect({ port, token: token({ user: 'bob' }) })
  t.teardown(() => closing.destroy())
  t.equal((await closing.next()).payload.toString(), GREETING)
  const alice = await connect(t, url)
  await hub.join({ user: 'bob' }, 'news')
  await until(async () => (await hub.clients()).clients.every(({ behind }) => !behind), 'being live')
  t.equal(await hub.disconnect({ user: 'bob' }), 1)
  t.equal((await closing.next()).opcode, OPCODE.close)
  const receipts = await hub.send([{ all: true }, { user: 'bob' }, { group: 'news' }], 'late')
  t.equal(hub.size, 2, 'the connection of bob has not ended')
  t.same(receipts.map(({ matched, written, behind }) => [matched, written, behind]), [[1, 1, 0], [0, 0, 0], [0, 0, 0]])
  t.same(await alice.quiet(), ['late'])
  t.same(closing.unread(), [], 'no frame follows the Close frame')
  t.equal(await (await connect(t, url, { user: 'bob' })).next(), 'late', 'the inbox has the message to bob')
})
