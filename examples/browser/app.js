// A page as a client of the hub: it connects, shows what comes, sends, and comes back by itself. It is a chat, so that there
// is something to see in two windows. All that concerns a client is in index.html.
//
//   node examples/browser/app.js
//
// Then stop it with Ctrl+C and start it again: the page comes back. PORT and TOKEN_SECONDS may be set in the environment. In a
// project of your own: examples/README.md.

import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import Fastify from 'fastify'
import fastifyHub, { createToken } from 'fastify-hub'

const { PORT = '3000', TOKEN_SECONDS = '3600' } = process.env
const MAX_CHARACTERS = 1000
const PAGE = await readFile(new URL('index.html', import.meta.url))

// Whoever knows the secret can make tokens. This one is new with every start; yours comes from wherever you keep secrets.
const auth = { secret: randomBytes(32).toString('base64url') }

const app = Fastify({ logger: { level: 'warn' } })

// An example leaves nothing on your disk; without `engine` there is a log in ./data.
await app.register(fastifyHub, { path: '/live', auth, engine: { kind: 'memory' } })

// What one client says, all get. Without a handler, each would get an echo.
app.hub.onMessage(async (client, data) => {
  if (typeof data !== 'string' || data.length > MAX_CHARACTERS) return
  await app.hub.broadcast({ from: client.identity.user, text: data })
})

app.get('/', async (_request, reply) => reply.type('text/html').send(PAGE))

// The page asks for a token each time it connects. Here anybody may be anyone; an application of yours takes the user from its
// session, and never from the address.
const ONE_USER = { type: 'object', required: ['user'], properties: { user: { type: 'string', pattern: '^[a-z]{1,20}$' } } }
app.get('/token', { schema: { querystring: ONE_USER } }, async ({ query: { user } }, reply) => {
  reply.header('cache-control', 'no-store')
  return { token: createToken(auth, { user, ttlSeconds: Number(TOKEN_SECONDS) }) }
})

// close() sends the clients away with 1012 (service restart); then nothing is left, and the process ends.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())

const origin = await app.listen({ port: Number(PORT), host: '127.0.0.1' })
console.log(`The chat is open. Come in two windows:

  ${origin}/?user=alice
  ${origin}/?user=bob
`)
