import { accept } from './scenarios/accept.ts'
import { broadcast } from './scenarios/broadcast.ts'
import { compression } from './scenarios/compression.ts'
import { crowds } from './scenarios/crowds.ts'
import { frozen } from './scenarios/frozen.ts'
import { latency } from './scenarios/latency.ts'
import { memory } from './scenarios/memory.ts'
import { publish } from './scenarios/publish.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { sizes } from './scenarios/sizes.ts'
import { storm } from './scenarios/storm.ts'

/** All scenarios, in the order in which they run and are printed. */
export const scenarios: Scenario[] = [broadcast, crowds, sizes, latency, frozen, compression, publish, accept, storm, memory]
