import fp from 'fastify-plugin'
import type { Config } from '../services/config/schema.ts'
import type { Engine } from '../services/engine/engine.ts'
import { LmdbEngine } from '../services/engine/lmdb/engine.ts'
import { MemoryEngine } from '../services/engine/memory/engine.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The message log and the connection to other nodes. Only the hub and the readiness check use the engine. */
    engine: Engine
  }
}

/** Options of the engine plugin. */
export interface EnginePluginOptions {
  readonly config: Pick<Config, 'engine' | 'inbox' | 'idempotency'>
}

/** Adds `fastify.engine`, of the kind that the configuration names, and closes the engine with the application. */
export const engine = fp<EnginePluginOptions>(async function engine (fastify, { config }) {
  const { engine: { kind, path, maxAge, maxCount, maxSize }, inbox, idempotency } = config
  const retention = {
    log: { maxAgeMs: maxAge, maxCount },
    inbox: { maxAgeMs: inbox.maxAge, maxCount: inbox.maxCount },
    maxBytes: maxSize,
    idempotencyWindowMs: idempotency.window
  }
  const instance: Engine = kind === 'lmdb'
    ? await LmdbEngine.open(retention, { path, log: fastify.log })
    : new MemoryEngine(retention)
  fastify.decorate('engine', instance)
  fastify.addHook('onClose', () => instance.close())
}, { name: 'fastify-hub-engine', fastify: '5.x' })
