// Takes over 10 s on a busy machine: each test starts the real program.

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { GREETING, TestClient, token, until } from '../support/helper.ts'
import { OPCODE, rawConnect } from '../support/raw-client.ts'
import { spawnService } from '../support/service.ts'

t.jobs = 2

async function connectTo (t: Test, url: string): Promise<TestClient> {
  const client = new TestClient(new WebSocket(`${url}?token=${token()}`))
  t.teardown(() => client.socket.terminate())
  if (await client.next() !== GREETING) throw new Error('There was no greeting.')
  return client
}

for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
  t.test(`${signal} closes clients with 1012, and then the service ends with exit code 0`, async (t) => {
    const { child, exit, url } = await spawnService(t)
    const closed = (await connectTo(t, url)).closed()
    child.kill(signal)
    t.same(await closed, { code: 1012, reason: 'service restart' })
    t.match(await exit, { code: 0, stdout: new RegExp(`"signal":"${signal}","msg":"the service stops"`) })
  })
}

t.test('SIGHUP does not end the service, and clients stay connected', async (t) => {
  const { child, output, origin, url } = await spawnService(t)
  const client = await connectTo(t, url)
  child.kill('SIGHUP')
  await until(() => output.stdout.includes('"signal":"SIGHUP","msg":"the service goes on"'), 'the log line')
  t.same(await client.quiet(), [])
  t.equal((await fetch(`${origin}/readyz`)).status, 200)
})

t.test('with nohup, the service survives SIGHUP', async (t) => {
  const { child, output, origin } = await spawnService(t, { wrap: ['nohup'] })
  child.kill('SIGHUP')
  await until(() => output.stdout.includes('the service goes on'), 'the log line')
  t.equal((await fetch(`${origin}/readyz`)).status, 200)
})

const hasScript = spawnSync('script', ['--version']).error === undefined
t.test('the service goes on when its terminal closes, although it can write no log', {
  skip: hasScript ? false : 'needs the program script of util-linux'
}, async (t) => {
  const { child, output, origin } = await spawnService(t, { terminal: true })
  t.match(output.stderr, /The token above is valid/, 'a terminal shows a token')
  const [, pid] = /"pid":(\d+)/.exec(output.stdout) ?? []
  t.teardown(() => process.kill(Number(pid), 'SIGKILL'))
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
  for (let n = 0; n < 3; n++) t.equal((await fetch(`${origin}/nothing-${n}`)).status, 404)
  t.equal((await fetch(`${origin}/readyz`)).status, 200)
})

t.test('a second signal during the drain ends the service at once with exit code 1', async (t) => {
  const { child, exit, port } = await spawnService(t, { env: { HUB_WEBSOCKET_DRAIN_GRACE: '60s' } })
  // This client does not respond to the Close frame, so the drain takes the whole grace period.
  const client = await rawConnect({ port, token: token() })
  t.teardown(() => client.destroy())
  await client.next()
  child.kill('SIGTERM')
  t.equal((await client.next()).opcode, OPCODE.close)
  child.kill('SIGINT')
  t.match(await exit, { code: 1, stdout: /"signal":"SIGINT","msg":"the service ends at once"/ })
})

t.test('SIGUSR2 has its usual effect, and SIGUSR1 opens the inspector of Node', async (t) => {
  const { child, output, exit, origin } = await spawnService(t, { nodeArgs: ['--inspect-port=0'] })
  child.kill('SIGUSR1')
  await until(() => output.stderr.includes('Debugger listening'), 'the inspector')
  t.equal((await fetch(`${origin}/readyz`)).status, 200)
  child.kill('SIGUSR2')
  t.equal((await exit).code, 'SIGUSR2')
})

t.test('responses during the drain end their connections, and an idle connection does not delay the end', async (t) => {
  const { child, exit, origin, port, url } = await spawnService(t, { env: { HUB_WEBSOCKET_DRAIN_GRACE: '60s' } })
  const [idle, busy] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  const received = new Map([[idle, ''], [busy, '']])
  for (const socket of received.keys()) {
    t.teardown(() => socket.destroy())
    socket.on('data', (chunk: Buffer) => received.set(socket, `${received.get(socket)}${chunk.toString()}`))
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => received.get(socket)?.endsWith('}') === true, 'a response')
  }
  t.match(received.get(idle), /\r\nConnection: keep-alive\r\nKeep-Alive: timeout=72\r\n/i)
  const client = await rawConnect({ port, token: token() })
  t.teardown(() => client.destroy())
  await client.next()
  child.kill('SIGTERM')
  t.equal((await client.next()).opcode, OPCODE.close, 'the drain has begun')

  const ended = once(busy, 'close')
  busy.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n')
  await ended
  t.match(received.get(busy), /503 Service Unavailable\r\nconnection: close\r\n/i)
  t.equal((await fetch(`${origin}/readyz`)).headers.get('connection'), 'close')
  const socket = new WebSocket(url, ['hub.raw', `bearer.${token()}`])
  t.match(await new TestClient(socket).closed(), { code: 1013 }, 'a new client learns that it has to come back')
  const started = Date.now()
  client.destroy()
  t.match(await exit, { code: 0 })
  t.ok(Date.now() - started < 5000, 'the idle connection does not delay the end')
})
