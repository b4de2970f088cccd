import type { FastifyInstance } from 'fastify'
import type { Config } from '../services/config/schema.ts'
import type { Log } from '../services/lib/log.ts'
import type { Engine } from '../services/engine/engine.ts'
import { openFileEngine } from '../services/engine/file/engine.ts'
import type { Retention } from '../services/engine/local/retention.ts'
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
  const engine = await open(kind, retention, { path, log: fastify.log })
  await engine.ready
  fastify.addHook('onClose', () => engine.close())
  return engine
}

async function open (
  kind: Config['engine']['kind'], retention: Retention, place: { readonly path: string, readonly log: Log }
): Promise<Engine> {
  switch (kind) {
    case 'file': return openFileEngine(retention, place)
    case 'memory': return createMemoryEngine(retention)
  }
}
