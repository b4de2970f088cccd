// What delays the end of a service: requests under way, kept connections, clients that connect at that moment, readers
// that do not read.
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect as dial } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { build, listen, TestClient, token, until } from '../support/helper.ts'
import { handshake, rawConnect } from '../support/raw-client.ts'

/** Resolves with the time that a promise takes, in ms. */
async function msOf (promise: Promise<unknown>): Promise<number> {
  const started = performance.now()
  await promise
  return performance.now() - started
}

t.test('a request under way gets its response, and its kept connection does not delay close()', async (t) => {
  const { app } = await build(t, { websocket: { drain: { grace: '5s' } } })
  const pending: Array<(body: object) => void> = []
  app.get('/slow', () => new Promise((resolve) => pending.push(resolve)))
  const port = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const ask = (path: string) => new Promise<string>((resolve, reject) => {
    request({ port, path, agent }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => { body += chunk.toString() })
      response.on('end', () => resolve(body))
    }).on('error', reject).end()
  })
  t.equal(await ask('/healthz'), '{"status":"ok"}', 'the connection is idle from here on')
  const slow = ask('/slow')
  await until(() => pending.length === 1)
  const closing = msOf(app.close())
  await until(() => app.hub.state === 'closed')
  pending[0]?.({ done: true })
  t.equal(await slow, '{"done":true}')
  t.ok(await closing < 3000, 'close() does not wait for the time for which connections are kept')
})

t.test('a client that connects at any moment of a close is closed or refused, and never left alone', async (t) => {
  const { app, url, origin, port } = await listen(t, { websocket: { upgradesPerSecond: 0, maxClientsPerUser: 0, drain: { grace: '500ms' } } })
  const frozen = await rawConnect({ port, token: token({ user: 'frozen' }) })
  t.teardown(() => frozen.destroy())
  frozen.pause()
  const outcomes = new Map<string, number>()
  let pending = 0
  const attempt = async (connectOne: () => Promise<string>): Promise<void> => {
    pending++
    const outcome = await connectOne().catch((error: unknown) => (error as { code?: string }).code ?? String(error))
    pending--
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  const webSocket = () => new Promise<string>((resolve) => {
    const { socket } = new TestClient(new WebSocket(`${url}?token=${token()}`))
    socket.on('unexpected-response', (_request, { statusCode }) => resolve(`refused ${statusCode}`))
    socket.on('close', (code) => resolve(`closed ${code}`))
  })
  const eventStream = async () => {
    const response = await fetch(`${origin}/admin/events?token=${token()}`)
    await response.text().catch(() => {})
    return `stream ${response.status}`
  }
  const upgrade = () => new Promise<string>((resolve) => {
    const socket = dial({ port, host: '127.0.0.1' }).on('error', () => {}).on('close', () => resolve('ended'))
    socket.resume().end(handshake({ path: '/%zz' }))
  })
  const end = { isClosed: false }
  const closing = app.close().then(() => { end.isClosed = true })
  while (!end.isClosed) {
    for (const one of [webSocket, eventStream, upgrade]) void attempt(one)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await closing
  await until(() => pending === 0, 'an end for each attempt')
  t.ok(outcomes.size > 1)
  const expected = /^(refused 503|closed (1006|1012|1013)|stream (200|204|503)|ended|ECONN.*|UND_.*|TypeError.*)$/
  t.same([...outcomes.keys()].filter((outcome) => !expected.test(outcome)), [])
  t.equal(app.hub.size, 0)
})

t.test('readers that do not read delay a close until its deadline, and no longer', async (t) => {
  const { app, port } = await listen(t, { websocket: { drain: { grace: '500ms' }, maxQueueSize: '1MiB' } })
  const frozen = await rawConnect({ port, token: token({ user: 'frozen' }) })
  t.teardown(() => frozen.destroy())
  await frozen.next()
  frozen.pause()
  const stream = dial({ port, host: '127.0.0.1' })
  t.teardown(() => stream.destroy())
  stream.on('error', () => {}) // The service resets the connection.
  stream.write(`GET /admin/events?token=${token({ user: 'stuck' })} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await once(stream, 'readable')
  await until(() => app.hub.size === 2)
  // The kernel buffers about 4 MB for a loopback connection.
  for (let n = 0; n < 300; n++) await app.hub.broadcast('x'.repeat(32_768))
  await until(async () => (await app.hub.clients()).clients.every(({ behind }) => behind), 'that both are behind')
  t.ok(await msOf(app.close()) < 3000)
  t.equal(app.hub.size, 0)
})
