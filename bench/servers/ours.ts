// fastify-hub as a plugin of a Fastify app, as its README shows it. Every connection shows a token, which is checked.
import fastify from 'fastify'
import type { FastifyHubOptions } from '../../index.ts'
import { entry } from '../build.ts'
import { secret } from '../token.ts'
import { backlog } from './listen.ts'
import { options } from './options.ts'
import { serve } from './serve.ts'

const { fastifyHub } = await import(entry().href) as typeof import('../../index.ts')
const { websocket, ...rest }: FastifyHubOptions = options

const app = fastify()
await app.register(fastifyHub, {
  auth: { secret },
  ...rest,
  websocket: { maxClients: 0, maxClientsPerUser: 0, upgradesPerSecond: 0, ...websocket }
})
const url = new URL(await app.listen({ port: 0, host: '127.0.0.1', backlog }))

serve({
  port: Number(url.port),
  broadcast: (text) => app.hub.broadcast(text)
})
