// The same loop in a Fastify app with @fastify/websocket, without a token check.
import websocket from '@fastify/websocket'
import fastify from 'fastify'
import { listenApp } from './listen.ts'
import { serve } from './serve.ts'

const app = fastify()
await app.register(websocket, { options: { perMessageDeflate: false } })
app.get('/ws', { websocket: true }, () => {})

serve({
  port: await listenApp(app),
  broadcast (text) {
    for (const client of app.websocketServer.clients) client.send(text)
  }
})
