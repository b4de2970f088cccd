// The tests of delivery on an engine that is slow on purpose: an order that applies records some turns later, in bursts,
// and reads that are awaited.
import { makeMemoryEnginesSlow } from '../../../support/slow-engine.ts'

makeMemoryEnginesSlow()
await import('./fan-out.test.ts')
await import('./gaps.test.ts')
await import('./groups.test.ts')
await import('./inbox.test.ts')
await import('./receipts.test.ts')
await import('./start-position.test.ts')
