import type { Test } from 'tap'
import type { Engine } from '../../../../services/engine/engine.ts'
import { openFileEngine, type FilePlace } from '../../../../services/engine/file/engine.ts'
import type { Retention } from '../../../../services/engine/local/retention.ts'
import { AMPLE_RETENTION, LogRecorder } from '../../../engine-suite/kit.ts'

/** Opens an engine on a folder. The end of the test closes an engine that is still open. */
export async function openEngine (
  t: Test, path: string, retention: Partial<Retention> = {}, place: Partial<FilePlace> = {}
): Promise<Engine> {
  const log = new LogRecorder()
  const engine = await openFileEngine({ ...AMPLE_RETENTION, ...retention }, { path, log, ...place })
  t.teardown(() => engine.close())
  return engine
}
