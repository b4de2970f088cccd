import t from 'tap'
import { WebSocket } from 'ws'
import { fitSockets, readOpenFileLimit } from '../../services/transport/http/open-files.ts'
import { api, token, until } from '../support/helper.ts'
import { handshake, rawConnect, rawRequest } from '../support/raw-client.ts'
import { spawnService } from '../support/service.ts'

t.test('the number of clients fits the limit of open files, with files left for the log and for HTTP requests', async (t) => {
  const MIB = 1024 ** 2
  t.same(fitSockets(10_000, 0, null), { maxClients: 10_000, maxConnections: Infinity }, 'without a known limit')
  t.same(fitSockets(10_000, 0, 20_064), { maxClients: 10_000, maxConnections: 20_000 })
  t.same(fitSockets(10_000, 0, 1064), { maxClients: 900, maxConnections: 1000 })
  t.same(fitSockets(10_000, 640 * MIB, 1064), { maxClients: 891, maxConnections: 990 }, 'a log of ten segments')
  t.same(fitSockets(0, 0, 1064), { maxClients: 900, maxConnections: 1000 }, 'without a configured limit')
  t.same(fitSockets(10_000, 0, 10), { maxClients: 1, maxConnections: 1 })
})

t.test('a crowd gets 503 or 1013 before the files run out, and messages are stored all the time', {
  skip: readOpenFileLimit() === null ? 'the system has no /proc/self/limits' : false
}, async (t) => {
  const wrap = ['bash', '-c', 'ulimit -n 256; exec "$@"', 'bash']
  const { child, output, exit, origin, port, url } = await spawnService(t, { wrap })
  // 256 files, less 64, less 32 segments; nine tenths of the rest.
  const maxClients = 144
  t.match(output.stdout, new RegExp(`"level":40.*"openFileLimit":256,"maxClients":${maxClients},"msg":"websocket.maxClients is 10000, but the limit of open files allows ${maxClients} clients: raise the limit`))

  const clients = Array.from({ length: 144 }, (_, n) => new WebSocket(`${url}?token=${token({ user: `user-${n}` })}`))
  t.teardown(() => { for (const client of clients) client.terminate() })
  await until(() => clients.every(({ readyState }) => readyState === WebSocket.OPEN), 'all clients')

  t.match(await rawRequest(port, handshake({ token: token() })), /^HTTP\/1\.1 503 [^]*HUB_FULL/)
  t.match(await rawRequest(port, `GET /admin/events?token=${token()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`), /^HTTP\/1\.1 200 [^]*HUB_FULL/)
  const refused = await rawConnect({ port, token: token(), headers: { 'Sec-WebSocket-Protocol': 'hub.raw' } })
  t.match(await refused.closed(), { code: 1013, reason: /^HUB_FULL/ })
  refused.destroy()

  // Connections that send nothing: the service closes those beyond the limit, and the log keeps its files.
  const silent = Array.from({ length: 60 }, () => rawRequest(port, '', { until: 'end' }).catch(() => ''))
  await until(() => output.stdout.includes('"msg":"connection closed"'), 'a dropped connection')
  for (const client of clients.slice(0, 20)) client.terminate()
  const publish = () => api(origin, 'POST', '/broadcast', { message: 'x' }).then(({ body }) => body['stored'] === true, () => false)
  await until(publish, 'a stored message')
  await Promise.all(silent)
  t.notMatch(output.stdout + output.stderr, /EMFILE|"level":50/)
  child.kill('SIGTERM')
  t.equal((await exit).code, 0)
})
