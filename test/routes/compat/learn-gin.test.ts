// What went wrong in the course's service, and what only an application sees.

import { once } from 'node:events'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { ConfigInput } from '../../../services/config/input.ts'
import { build, listen, TestClient, until } from '../../support/helper.ts'
import { OPCODE, rawConnect } from '../../support/raw-client.ts'

async function serve (t: Test, config: ConfigInput = {}) {
  const service = await listen(t, { ...config, compat: { learnGin: 'open' } })
  const open = async (): Promise<TestClient> => {
    const client = new TestClient(new WebSocket(`${service.origin.replace('http', 'ws')}/echo`))
    t.teardown(() => client.socket.terminate())
    await once(client.socket, 'open')
    return client
  }
  return { ...service, open }
}

/** The next frame that is no ping. */
async function said (client: TestClient): Promise<unknown> {
  for (;;) {
    const frame = await client.next()
    if (frame !== 'ping') return frame
  }
}

t.test('pings and messages to everyone do not get into each other\'s way', async (t) => {
  const { open, origin } = await serve(t)
  const clients = await Promise.all(Array.from({ length: 200 }, open))
  for (let n = 0; n < 20; n++) t.equal(await (await fetch(`${origin}/sendall?msg=${n}`)).text(), 'OK')
  for (const client of clients) {
    for (let n = 0; n < 20; n++) if (await said(client) !== String(n)) t.fail(`message ${n}`)
  }
  await Promise.all(clients.map(async (client) => { while (await client.next() !== 'ping'); }))
  t.pass('everybody is pinged meanwhile')
})

t.test('a client that does not read does not delay a broadcast', async (t) => {
  const { open, origin, port } = await serve(t)
  const frozen = await rawConnect({ port, path: '/echo' })
  frozen.pause()
  t.teardown(() => frozen.destroy())
  const alice = await open()
  const text = 'x'.repeat(8000)
  const refused: Array<[n: number, status: number]> = []
  for (let n = 0; n < 1000; n++) {
    const { status } = await fetch(`${origin}/sendall?msg=${text}`)
    if (status !== 200) refused.push([n, status])
  }
  t.same(refused, [])
  for (let n = 0; n < 1000; n++) if (await said(alice) !== text) t.fail(`message ${n}`)
})

t.test('a client that is gone without a Close frame is noticed, although no client responds to a ping of text', async (t) => {
  const { app, port } = await serve(t, { websocket: { pingPeriod: '500ms', heartbeatFailMaxTimes: 2, readDeadline: 0 } })
  const dead = await rawConnect({ port, path: '/echo' })
  t.same((await dead.next()).payload.toString(), 'ping')
  t.same((await dead.next()).opcode, OPCODE.ping, 'what makes its WebSocket answer')
  await dead.closed(10_000)
  await until(() => app.hub.size === 0)
})

t.test('an application executes commands in its own way, and adds others', async (t) => {
  const { app, open } = await serve(t)
  app.hub.action('learnGin.102', Type.Object({ ns: Type.String() }), ({ ns }) => ({ Type: 'PodList', Result: [ns] }))
  const alice = await open()
  alice.send('{"CmdType":102,"CmdData":{"ns":"default"}}')
  t.equal(await said(alice), '{"Type":"PodList","Result":["default"]}')
  // What does not fit was logged and not answered.
  alice.send('{"CmdType":102,"CmdData":null}')
  alice.send('{"CmdType":999}')
  t.equal(await said(alice), '{"Type":"PingModel","Result":"pong"}')
  alice.send('{"CmdType":102,"CmdData":{"ns":"<b>"}}')
  t.equal(await said(alice), '{"Type":"PodList","Result":["\\u003cb\\u003e"]}')
})

t.test('an application\'s own command replaces the course\'s', async (t) => {
  const { app } = await build(t, { compat: { learnGin: 'open' } })
  app.hub.action('learnGin.999', Type.Unknown(), () => ({ Type: 'PingModel', Result: 'mine' }))
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const alice = new TestClient(new WebSocket(`${origin.replace('http', 'ws')}/echo`))
  t.teardown(() => alice.socket.terminate())
  await once(alice.socket, 'open')
  alice.send('{"CmdType":999}')
  t.equal(await said(alice), '{"Type":"PingModel","Result":"mine"}')
})

t.test('broadcasts a JSON body, refuses one that is no JSON, and ignores a body of any other type', async (t) => {
  const { open, origin } = await serve(t)
  const alice = await open()
  const post = async (type: string, body: string) => (await fetch(`${origin}/sendall`, { method: 'POST', headers: { 'content-type': type }, body })).text()
  t.equal(await post('application/json', '{"type":"pods","result":{"ns":"<default>"}}'), 'OK')
  t.equal(await said(alice), '{"type":"pods","result":{"ns":"\\u003cdefault\\u003e"}}\n')
  t.equal(await post('application/x-www-form-urlencoded', 'msg=in+the+body'), 'OK')
  t.match(await said(alice), /^\[{"PodName":"pod-101"/)
  for (const [type, body] of [['text/plain', '"x"'], ['application/json', '']] as const) {
    t.equal(await post(type, body), 'OK', `${type} ${body}`)
    t.match(await said(alice), /^\[{"PodName":"pod-101"/)
  }
  t.match(await post('application/json', '{'), /"HUB_REQUEST_INVALID"/)
  t.equal(await post('application/json', '"a text"'), 'OK')
  t.equal(await said(alice), 'a text', 'a refused body is not broadcast')
})
