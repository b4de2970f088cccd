// A backend in another language publishes over HTTP. This file is the receiving side: a small hub, and a client of Bob,
// which prints its messages.
//
//   node examples/backend-push/app.js
//
// It prints the commands for a second terminal: push.sh publishes with curl, push.py with Python. Run a command twice:
// the second receipt has `"duplicate":true`, and Bob receives no second message. The environment variable PORT sets the
// port. To use it in a project of your own: examples/README.md.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import fastifyHub, { createToken } from 'fastify-hub'
import { WebSocket } from 'ws'

const { PORT = '3000' } = process.env

// Backends and the hub share the secret, or the hub issues the tokens. Here the secret is new with every start.
const auth = { secret: randomBytes(32).toString('base64url') }

const app = Fastify({ logger: { level: 'warn' } })

// `api: true` enables publishing over HTTP. The log is in memory, so that the example leaves no files.
await app.register(fastifyHub, { path: '/live', api: true, auth, engine: { kind: 'memory' } })

// close() closes the clients with 1012 (service restart); then the process has no more work and ends.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())

const origin = await app.listen({ port: Number(PORT), host: '127.0.0.1' })

// Any valid token allows a connection.
const bob = new WebSocket(`${origin.replace('http', 'ws')}/live`, {
  headers: { authorization: `Bearer ${createToken(auth, { user: 'bob', ttlSeconds: 12 * 3600 })}` }
})
await once(bob, 'message') // The greeting.
bob.on('message', (data) => console.log(`bob < ${data}`))

// Publishing requires a token with the role `admin`.
const token = createToken(auth, { user: 'shop', roles: ['admin'], ttlSeconds: 12 * 3600 })
console.log(`The hub is running, and Bob is listening. Paste this into a second terminal:

  export HUB=${origin}
  export TOKEN=${token}
  sh '${fileURLToPath(new URL('push.sh', import.meta.url))}'
  python3 '${fileURLToPath(new URL('push.py', import.meta.url))}'
`)
