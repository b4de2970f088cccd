// A page as a client of the hub: it connects, shows messages, sends messages, and reconnects by itself. The example is
// a chat in two windows. The code of the client is in index.html.
//
//   node examples/browser/app.js
//
// Then stop it with Ctrl+C and start it again: the page reconnects. The environment variables PORT and TOKEN_SECONDS
// are optional. To use it in a project of your own: examples/README.md.

import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import Fastify from 'fastify'
import fastifyHub, { createToken } from 'fastify-hub'

const { PORT = '3000', TOKEN_SECONDS = '3600' } = process.env
const MAX_CHARACTERS = 1000
const PAGE = await readFile(new URL('index.html', import.meta.url))

// The secret signs tokens. Here it is new with every start; load yours from your store of secrets.
const auth = { secret: randomBytes(32).toString('base64url') }

const app = Fastify({ logger: { level: 'warn' } })

// The log is in memory, so that the example leaves no files; the default is a log in ./data.
await app.register(fastifyHub, { path: '/live', auth, engine: { kind: 'memory' } })

// A message of one client goes to all clients. Without a handler, the hub replies with an echo.
app.hub.onMessage(async (client, data) => {
  if (typeof data !== 'string' || data.length > MAX_CHARACTERS) return
  await app.hub.broadcast({ from: client.identity.user, text: data })
})

app.get('/', async (_request, reply) => reply.type('text/html').send(PAGE))

// The page requests a token for each connection. Here a visitor may choose any user; your application takes the user
// from its session, and never from the URL.
const ONE_USER = { type: 'object', required: ['user'], properties: { user: { type: 'string', pattern: '^[a-z]{1,20}$' } } }
app.get('/token', { schema: { querystring: ONE_USER } }, async ({ query: { user } }, reply) => {
  reply.header('cache-control', 'no-store')
  return { token: createToken(auth, { user, ttlSeconds: Number(TOKEN_SECONDS) }) }
})

// close() closes the clients with 1012 (service restart); then the process has no more work and ends.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())

const origin = await app.listen({ port: Number(PORT), host: '127.0.0.1' })
console.log(`The chat is open. Come in two windows:

  ${origin}/?user=alice
  ${origin}/?user=bob
`)
