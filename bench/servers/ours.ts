// fastify-hub as a plugin of a Fastify app, as its README shows it. Every connection shows a token, which is checked.
import fastify from 'fastify'
import { entry } from '../build.ts'
import { secret } from '../token.ts'
import { serve } from './serve.ts'

const { fastifyHub } = await import(entry().href) as typeof import('../../index.ts')

const app = fastify()
await app.register(fastifyHub, {
  auth: { secret },
  websocket: { maxClients: 0, maxClientsPerUser: 0, upgradesPerSecond: 0 }
})
const url = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))

serve({
  port: Number(url.port),
  broadcast: (payload) => app.hub.broadcast(payload)
})
