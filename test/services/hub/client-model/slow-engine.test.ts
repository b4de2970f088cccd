// The model of a client on an engine that is slow on purpose: see client-model.test.ts.
import { makeMemoryEnginesSlow } from '../../../support/slow-engine.ts'

makeMemoryEnginesSlow()
await import('./client-model.test.ts')
