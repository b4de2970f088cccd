// The hub in an application of your own, where any plugin and any route can push: a plugin tells every client the time, once
// a second, and a route tells them when somebody has pressed a button.
//
//   node examples/broadcast-from-anywhere/app.js
//
// PORT and CLOCK_INTERVAL_MS may be set in the environment. In a project of your own: examples/README.md.

import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import fastifyHub, { createToken } from 'fastify-hub'
import clock from './clock.js'

const { PORT = '3000', CLOCK_INTERVAL_MS = '1000' } = process.env

// Whoever knows the secret can make tokens. This one is new with every start; yours comes from wherever you keep secrets.
const auth = { secret: randomBytes(32).toString('base64url') }

const app = Fastify({ logger: { level: 'warn' } })

// Clients connect at /live. From here on there is `app.hub`. An example leaves nothing on your disk; without `engine` there
// is a log in ./data.
await app.register(fastifyHub, { path: '/live', auth, engine: { kind: 'memory' } })

// Any plugin that comes after the hub can push through it; clock.js is one.
await app.register(clock, { intervalMs: Number(CLOCK_INTERVAL_MS) })

// So can any route. The receipt says how many clients it was for.
app.post('/lap', async () => {
  const { matched } = await app.hub.broadcast({ lap: new Date().toISOString() })
  return { told: matched }
})

// The rest of the application is none of the hub's business. Here: a page for the clock, and a route that counts its readers.
app.get('/', async (_request, reply) => reply.type('text/html').send(PAGE))
app.get('/readers', async () => ({ readers: app.hub.size }))

// A browser cannot set headers on a WebSocket, so the token goes in as a subprotocol; it came in the part of the link behind
// the #, which is never sent to a server.
const PAGE = `<!doctype html>
<meta charset="utf-8">
<title>Clock</title>
<link rel="icon" href="data:,">
<h1></h1>
<button onclick="fetch('/lap', { method: 'POST' })">Lap</button>
<ol></ol>
<script>
  const socket = new WebSocket(location.origin.replace('http', 'ws') + '/live', ['hub.raw', 'bearer.' + location.hash.slice(1)])
  socket.onmessage = ({ data }) => {
    const { time, lap } = JSON.parse(data)
    if (time) document.querySelector('h1').textContent = time
    if (lap) document.querySelector('ol').appendChild(document.createElement('li')).textContent = lap
  }
</script>
`

// close() sends the clients away with 1012 (service restart); then nothing is left, and the process ends.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())

const origin = await app.listen({ port: Number(PORT), host: '127.0.0.1' })
const token = createToken(auth, { user: 'alice', ttlSeconds: 3600 })
console.log(`The clock is running. See it in a browser:

  ${origin}/#${token}

or in a terminal:

  npx wscat -c '${origin.replace('http', 'ws')}/live?token=${token}'
`)
