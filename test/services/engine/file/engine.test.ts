// The promises of every engine, on segment files.
import { openFileEngine } from '../../../../services/engine/file/engine.ts'
import { engineSuite, LIMITS, LogRecorder, stateSuite } from '../../../engine-suite/engine-suite.ts'
import { openEngine } from './kit.ts'
import { testFolder } from '../../../support/test-folder.ts'

engineSuite('files', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const engine = await openFileEngine({ ...LIMITS, now: () => now }, { path: testFolder(t), log: new LogRecorder() })
  return { engine, advance: (ms) => { now += ms } }
})
engineSuite('small files, nothing in memory', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const place = { path: testFolder(t), log: new LogRecorder(), segmentBytes: 2000, hotBytes: 0 }
  const engine = await openFileEngine({ ...LIMITS, now: () => now }, place)
  return { engine, advance: (ms) => { now += ms } }
})
stateSuite('files', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const { state } = await openEngine(t, testFolder(t), { now: () => now })
  return { state, advance: (ms) => { now += ms } }
})
