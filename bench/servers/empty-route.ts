// The minimum work of a Fastify app for a POST: the same validation as POST /broadcast, the same response, and no
// publish.
import { Value } from '@sinclair/typebox/value'
import fastify from 'fastify'
import { extname } from 'node:path'
import { entry } from '../rig/setup/build.ts'
import { listenApp } from './listen.ts'
import { serve } from './serve.ts'

const sibling = (file: string): string => new URL(`${file}${extname(entry().pathname)}`, entry()).href
const { MessageBody } = await import(sibling('routes/api/schemas')) as typeof import('../../routes/api/schemas.ts')
const { Receipt } = await import(sibling('services/model/message')) as typeof import('../../services/model/message.ts')

const answer = Value.Create(Receipt)

const app = fastify()
app.post('/broadcast', { schema: { body: MessageBody, response: { 202: Receipt } } }, async (_request, reply) => {
  return reply.code(202).send(answer)
})

serve({
  port: await listenApp(app),
  broadcast () {}
})
