import type { Test } from 'tap'
import type { Engine } from '../../../../services/engine/engine.ts'
import { openLmdbEngine } from '../../../../services/engine/lmdb/engine.ts'
import type { LmdbPlace } from '../../../../services/engine/lmdb/store.ts'
import type { Retention } from '../../../../services/engine/local/retention.ts'
import { AMPLE_RETENTION, LogRecorder } from '../../../engine-suite/kit.ts'

/** Opens an engine on a folder. The end of the test closes an engine that is still open. */
export async function openEngine (
  t: Test, path: string, retention: Partial<Retention> = {}, options: Partial<LmdbPlace> = {}
): Promise<Engine> {
  const log = new LogRecorder()
  const engine = await openLmdbEngine({ ...AMPLE_RETENTION, ...retention }, { path, log, ...options })
  t.teardown(() => engine.close())
  return engine
}
