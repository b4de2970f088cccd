import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import Fastify from 'fastify'
import t from 'tap'
import { WebSocket } from 'ws'
import { fastifyHub } from '../index.ts'
import { packagePath } from '../services/cli/package.ts'
import { ECHO, GREETING, IN_MEMORY, SECRET, TestClient, token } from './support/helper.ts'

t.test('works over TLS in the same way, and answers requests that offer another protocol', async (t) => {
  const cert = readFileSync(packagePath('test', 'fixtures', 'localhost.crt'))
  const app = Fastify({ https: { cert, key: readFileSync(packagePath('test', 'fixtures', 'localhost.key')) } })
  await app.register(fastifyHub, { ...IN_MEMORY, auth: { secret: SECRET } })
  app.get('/plain', () => 'plain')
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())

  const client = new TestClient(new WebSocket(`${origin.replace('http', 'ws')}/admin/ws?token=${token()}`, { ca: cert }))
  t.equal(await client.next(), GREETING)
  client.send('hello')
  t.equal(await client.next(), `${ECHO}hello`)
  t.match(await app.hub.broadcast('to all'), { matched: 1 })
  t.equal(await client.next(), 'to all')

  // A socket over TLS never takes a write at once; that must not make its reader a slow one.
  for (let n = 0; n < 1200; n++) {
    const { written, behind } = await app.hub.broadcast(String(n))
    if (n % 400 === 0) t.same({ written, behind }, { written: 1, behind: 0 })
    t.equal(await client.next(), String(n))
  }

  const status = await new Promise((resolve, reject) => {
    get(`${origin}/plain`, { ca: cert, agent: false, headers: { connection: 'Upgrade', upgrade: 'TLS/1.3' } }, (response) => { response.resume(); resolve(response.statusCode) }).on('error', reject)
  })
  t.equal(status, 200)

  const closed = client.closed()
  await app.close()
  t.equal((await closed).code, 1012)
})
