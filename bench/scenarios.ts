import { accept } from './scenarios/accept.ts'
import { append } from './scenarios/append.ts'
import { behind } from './scenarios/behind.ts'
import { broadcast } from './scenarios/broadcast.ts'
import { compression } from './scenarios/compression.ts'
import { crowds } from './scenarios/crowds.ts'
import { cuts } from './scenarios/cuts.ts'
import { frozen } from './scenarios/frozen.ts'
import { inbox } from './scenarios/inbox.ts'
import { latency } from './scenarios/latency.ts'
import { log } from './scenarios/log.ts'
import { memory } from './scenarios/memory.ts'
import { publish } from './scenarios/publish.ts'
import { resume } from './scenarios/resume.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { sizes } from './scenarios/sizes.ts'
import { storm } from './scenarios/storm.ts'

/** All scenarios, in the order in which they run and are printed. */
export const scenarios: Scenario[] = [
  broadcast, log, crowds, sizes, latency, frozen, behind, compression, publish, append, inbox, resume, cuts, accept, storm, memory
]
