// The hub in an application of your own, where any plugin and any route can publish: a plugin publishes the time to all
// clients once a second, and a route publishes when a button on the page is clicked.
//
//   node examples/broadcast-from-anywhere/app.js
//
// The environment variables PORT and CLOCK_INTERVAL_MS are optional. To use it in a project of your own:
// examples/README.md.

import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import fastifyHub, { createToken } from 'fastify-hub'
import clock from './clock.js'

const { PORT = '3000', CLOCK_INTERVAL_MS = '1000' } = process.env

// The secret signs tokens. Here it is new with every start; load yours from your store of secrets.
const auth = { secret: randomBytes(32).toString('base64url') }

const app = Fastify({ logger: { level: 'warn' } })

// Clients connect at /live. From here on `app.hub` exists. The log is in memory, so that the example leaves no files;
// the default is a log in ./data.
await app.register(fastifyHub, { path: '/live', auth, engine: { kind: 'memory' } })

// Any plugin that is registered after the hub can publish through it, such as clock.js.
await app.register(clock, { intervalMs: Number(CLOCK_INTERVAL_MS) })

// Any route can publish too. The receipt has the number of clients at the address.
app.post('/lap', async () => {
  const { matched } = await app.hub.broadcast({ lap: new Date().toISOString() })
  return { told: matched }
})

// The rest of the application is independent of the hub: a page for the clock, and a route that counts its readers.
app.get('/', async (_request, reply) => reply.type('text/html').send(PAGE))
app.get('/readers', async () => ({ readers: app.hub.size }))

// A browser cannot set headers on a WebSocket, so the page sends the token as a subprotocol. The page reads the token
// from the fragment of its link, which browsers do not send to a server.
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

// close() closes the clients with 1012 (service restart); then the process has no more work and ends.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())

const origin = await app.listen({ port: Number(PORT), host: '127.0.0.1' })
const token = createToken(auth, { user: 'alice', ttlSeconds: 3600 })
console.log(`The clock is running. See it in a browser:

  ${origin}/#${token}

or in a terminal:

  npx wscat -c '${origin.replace('http', 'ws')}/live?token=${token}'
`)
