import type { Test } from 'tap'
import type { Engine } from '../../../../services/engine/engine.ts'
import { openLmdbEngine } from '../../../../services/engine/lmdb/engine.ts'
import type { LmdbPlace } from '../../../../services/engine/lmdb/store.ts'
import type { Retention } from '../../../../services/engine/local/retention.ts'

/** Limits so large that the log evicts no message. */
export const AMPLE_RETENTION = {
  log: { maxAgeMs: 86_400_000, maxCount: 1_000_000 },
  inbox: { maxAgeMs: 86_400_000, maxCount: 1_000_000 },
  maxBytes: 1024 ** 3,
  idempotencyWindowMs: 60_000
} satisfies Retention

/** A logger that records its lines. */
export class LogRecorder {
  readonly entries: Array<{ readonly level: string, readonly fields: object, readonly sentence: string }> = []
  readonly debug = this.record('debug')
  readonly info = this.record('info')
  readonly warn = this.record('warn')
  readonly error = this.record('error')

  sentencesAt (level: string): string[] {
    return this.entries.filter((one) => one.level === level).map(({ sentence }) => sentence)
  }

  record (level: string) {
    return (fields: unknown, sentence?: unknown) => {
      this.entries.push({ level, fields: fields as object, sentence: String(sentence) })
    }
  }
}

/** Opens an engine on a folder. The end of the test closes an engine that is still open. */
export async function openEngine (
  t: Test, path: string, retention: Partial<Retention> = {}, options: Partial<LmdbPlace> = {}
): Promise<Engine> {
  const log = new LogRecorder()
  const engine = await openLmdbEngine({ ...AMPLE_RETENTION, ...retention }, { path, log, ...options })
  t.teardown(() => engine.close())
  return engine
}
