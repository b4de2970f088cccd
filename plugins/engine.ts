import type { FastifyInstance } from 'fastify'
import type { Config } from '../services/config/schema.ts'
import type { Engine } from '../services/engine/engine.ts'
import { openLmdbEngine } from '../services/engine/lmdb/engine.ts'
import { createMemoryEngine } from '../services/engine/memory/engine.ts'

/**
 * Opens the engine of the kind that the configuration names. The engine closes with the application, after the hub. No
 * plugin with a decorator, because the engine is the hub's own.
 */
export async function openEngine (
  fastify: FastifyInstance,
  config: Pick<Config, 'engine' | 'inbox' | 'idempotency'>
): Promise<Engine> {
  const { engine: { kind, path, maxAge, maxCount, maxSize }, inbox, idempotency } = config
  const retention = {
    log: { maxAgeMs: maxAge, maxCount },
    inbox: { maxAgeMs: inbox.maxAge, maxCount: inbox.maxCount },
    maxBytes: maxSize,
    idempotencyWindowMs: idempotency.window
  }
  const engine: Engine = kind === 'lmdb'
    ? await openLmdbEngine(retention, { path, log: fastify.log })
    : createMemoryEngine(retention)
  await engine.ready
  fastify.addHook('onClose', () => engine.close())
  return engine
}
