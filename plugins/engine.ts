import fp from 'fastify-plugin'
import type { Config } from '../services/config/schema.ts'
import type { Engine } from '../services/engine/engine.ts'
import { LmdbEngine } from '../services/engine/lmdb/engine.ts'
import { MemoryEngine } from '../services/engine/memory/engine.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The log, and the way to the other nodes. Only the hub uses it. */
    engine: Engine
  }
}

/** `fastify.engine`: the one that the configuration names. */
export const engine = fp<{ config: Pick<Config, 'engine' | 'inbox' | 'idempotency'> }>(async (fastify, { config }) => {
  const { engine: { kind, path, maxAge, maxCount, maxSize }, inbox, idempotency } = config
  const retention = {
    log: { maxAgeMs: maxAge, maxCount },
    inbox: { maxAgeMs: inbox.maxAge, maxCount: inbox.maxCount },
    maxBytes: maxSize,
    idempotencyWindowMs: idempotency.window
  }
  const engine: Engine = kind === 'lmdb' ? await LmdbEngine.open(retention, { path, log: fastify.log }) : new MemoryEngine(retention)
  fastify.decorate('engine', engine)
  fastify.addHook('onClose', () => fastify.engine.close())
}, { name: 'fastify-hub-engine', fastify: '5.x' })
