import t from 'tap'
import { listen, until } from '../../../support/helper.ts'
import { PLAIN, type Said, welcome } from '../../../support/json-client.ts'

t.test('of several broadcasts in one tick, each reaches exactly the clients that its except does not name', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const [alice, bob] = [await welcome(t, url, { subprotocol: PLAIN }), await welcome(t, url, { subprotocol: PLAIN })]
  await until(async () => (await hub.clients()).clients.every(({ behind }) => !behind), 'being live')
  const receipts = await Promise.all([
    hub.broadcast('to both'), hub.broadcast('to alice', { except: [bob.id] }),
    hub.broadcast('to bob', { except: [alice.id] }), hub.broadcast('to both again')
  ])
  t.same(receipts.map(({ matched, written }) => [matched, written]), [[2, 2], [1, 1], [1, 1], [2, 2]])
  const received = await Promise.all([alice, bob].map((client) => client.quiet()))
  const data = received.map((frames) => frames.map((text) => (JSON.parse(String(text)) as Said)['data']))
  t.same(data, [['to both', 'to alice', 'to both again'], ['to both', 'to bob', 'to both again']])
})
