// A backend in another language pushes over HTTP. This file is the other side: a small hub, and Bob, who listens and prints
// what he gets.
//
//   node examples/backend-push/app.js
//
// It prints what to paste into a second terminal: push.sh pushes with curl, push.py with Python. Paste a line twice: the second
// receipt says `"duplicate":true`, and Bob gets nothing. PORT may be set in the environment. In a project of your own:
// examples/README.md.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import fastifyHub, { createToken } from 'fastify-hub'
import { WebSocket } from 'ws'

const { PORT = '3000' } = process.env

// Backends and the hub share the secret, or the hub gives out tokens. This one is new with every start.
const auth = { secret: randomBytes(32).toString('base64url') }

const app = Fastify({ logger: { level: 'warn' } })

// Without `api: true` nobody can push over HTTP. An example leaves nothing on your disk, hence the log in memory.
await app.register(fastifyHub, { path: '/live', api: true, auth, engine: { kind: 'memory' } })

// close() sends the clients away with 1012 (service restart); then nothing is left, and the process ends.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())

const origin = await app.listen({ port: Number(PORT), host: '127.0.0.1' })

// To listen, any token will do.
const bob = new WebSocket(`${origin.replace('http', 'ws')}/live`, {
  headers: { authorization: `Bearer ${createToken(auth, { user: 'bob', ttlSeconds: 12 * 3600 })}` }
})
await once(bob, 'message') // The greeting.
bob.on('message', (data) => console.log(`bob < ${data}`))

// To push, the token needs the role `admin`.
const token = createToken(auth, { user: 'shop', roles: ['admin'], ttlSeconds: 12 * 3600 })
console.log(`The hub is running, and Bob is listening. Paste this into a second terminal:

  export HUB=${origin}
  export TOKEN=${token}
  sh '${fileURLToPath(new URL('push.sh', import.meta.url))}'
  python3 '${fileURLToPath(new URL('push.py', import.meta.url))}'
`)
