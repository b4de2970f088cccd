import type { Test } from 'tap'
import { LmdbEngine, type LmdbPlace } from '../../../../services/engine/lmdb/engine.ts'
import type { Retention } from '../../../../services/engine/local/retention.ts'

/** Limits within which nothing leaves the log by itself. */
export const ROOMY = {
  log: { maxAgeMs: 86_400_000, maxCount: 1_000_000 },
  inbox: { maxAgeMs: 86_400_000, maxCount: 1_000_000 },
  maxBytes: 1024 ** 3,
  idempotencyWindowMs: 60_000
} satisfies Retention

/** A logger that keeps the sentences. */
export class Sentences {
  readonly all: Array<{ readonly level: string, readonly circumstances: object, readonly sentence: string }> = []
  readonly debug = this.#note('debug')
  readonly info = this.#note('info')
  readonly warn = this.#note('warn')
  readonly error = this.#note('error')

  at (level: string): string[] {
    return this.all.filter((one) => one.level === level).map(({ sentence }) => sentence)
  }

  #note (level: string) {
    return (circumstances: unknown, sentence?: unknown) => { this.all.push({ level, circumstances: circumstances as object, sentence: String(sentence) }) }
  }
}

/** An engine on a folder; closed when the test ends, unless it was before. */
export async function openEngine (t: Test, path: string, retention: Partial<Retention> = {}, place: Partial<LmdbPlace> = {}): Promise<LmdbEngine> {
  const engine = await LmdbEngine.open({ ...ROOMY, ...retention }, { path, log: new Sentences(), ...place })
  t.teardown(() => engine.close())
  return engine
}
