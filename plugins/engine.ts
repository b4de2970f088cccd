import fp from 'fastify-plugin'
import type { Config } from '../services/config/schema.ts'
import type { Engine } from '../services/engine/engine.ts'
import { MemoryEngine } from '../services/engine/memory.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The log, and the way to the other nodes. Only the hub uses it. */
    engine: Engine
  }
}

/** `fastify.engine`: the one that the configuration names. */
export const engine = fp<{ config: Pick<Config, 'engine' | 'idempotency'> }>(async (fastify, { config }) => {
  fastify.decorate('engine', new MemoryEngine({
    maxAgeMs: config.engine.maxAge,
    maxCount: config.engine.maxCount,
    maxBytes: config.engine.maxSize,
    idempotencyWindowMs: config.idempotency.window
  }))
  fastify.addHook('onClose', () => fastify.engine.close())
}, { name: 'fastify-hub-engine', fastify: '5.x' })
