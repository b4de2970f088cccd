/** Duration of the measurement of one kind of broadcast. */
export interface Windows {
  warmUpMs: number
  /** A window ends when the server has used this much CPU time… */
  cpuMs: number
  /** …or when this much time has passed, whichever comes first. */
  wallMs: number
  /** Maximum number of measurements of a window while other programs disturb it. */
  attempts: number
}

/** Durations and sizes of a run. */
export interface Effort {
  /** Maximum number of rounds; each scenario declares the number that it needs. */
  rounds: number
  /** Windows of the scenario `broadcast`. */
  long: Windows
  /** Windows of all other scenarios. */
  short: Windows
  /** Numbers of clients in the steps of the scenario `clients`. */
  crowds: readonly number[]
  /** Connections opened between two readings of the CPU time. */
  accepts: number
  /** Connections opened in all while the cost of accepting is measured. */
  acceptsInAll: number
  /** Connections held open while memory is measured. */
  idle: number
  /** Time for which the CPU of idle connections is measured. */
  idleMs: number
  /** Messages whose latency is measured. */
  paced: number
  /** Time for which requests are sent. */
  postMs: number
}

export const full: Effort = {
  rounds: 5,
  long: { warmUpMs: 400, cpuMs: 1000, wallMs: 3000, attempts: 8 },
  short: { warmUpMs: 150, cpuMs: 300, wallMs: 900, attempts: 2 },
  crowds: [100, 1000, 5000, 10_000],
  accepts: 2000,
  acceptsInAll: 4000,
  idle: 15_000,
  idleMs: 21_000,
  paced: 40,
  postMs: 2000
}

/** Sizes that show a change of 25 % in under two minutes. */
export const quick: Effort = {
  rounds: 1,
  long: { warmUpMs: 200, cpuMs: 400, wallMs: 800, attempts: 1 },
  short: { warmUpMs: 100, cpuMs: 200, wallMs: 600, attempts: 1 },
  crowds: [100, 1000, 5000, 10_000],
  accepts: 1000,
  acceptsInAll: 2000,
  idle: 3000,
  idleMs: 0,
  paced: 12,
  postMs: 1000
}
