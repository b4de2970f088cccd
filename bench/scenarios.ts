import { accept } from './scenarios/accept.ts'
import { broadcast } from './scenarios/broadcast.ts'
import { memory } from './scenarios/memory.ts'
import type { Scenario } from './scenarios/scenario.ts'

/** All scenarios, in the order in which they run and are printed. */
export const scenarios: Scenario[] = [broadcast, accept, memory]
