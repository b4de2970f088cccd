// The same loop in a Fastify app with @fastify/websocket; nobody is asked for a token.
import websocket from '@fastify/websocket'
import fastify from 'fastify'
import { backlog } from './listen.ts'
import { serve } from './serve.ts'

const app = fastify()
await app.register(websocket, { options: { perMessageDeflate: false } })
app.get('/ws', { websocket: true }, () => {})
const url = new URL(await app.listen({ port: 0, host: '127.0.0.1', backlog }))

serve({
  port: Number(url.port),
  broadcast (text) {
    for (const client of app.websocketServer.clients) client.send(text)
  }
})
