/** How long a way of broadcasting is measured. */
export interface Windows {
  warmUpMs: number
  /** A window ends when the server has used this much CPU time… */
  cpuMs: number
  /** …or when this much time has passed, whichever comes first. */
  wallMs: number
  /** How often a window is measured at most while other programs disturb it. */
  attempts: number
}

/** How long and how much is measured. */
export interface Effort {
  /** Rounds at most; each scenario says how many it needs. */
  rounds: number
  /** For the scenario that matters most. */
  long: Windows
  /** For all others. */
  short: Windows
  /** Clients in the steps of the scenario that adds more and more of them. */
  crowds: readonly number[]
  /** Connections opened between two readings of the CPU time. */
  accepts: number
  /** Connections opened in all while measuring what accepting costs. */
  acceptsInAll: number
  /** Connections held open while memory is measured. */
  idle: number
  /** How long they are watched doing nothing. */
  idleMs: number
  /** Messages whose latency is measured. */
  paced: number
  /** Time in which requests are sent. */
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

/** Numbers good enough to see a change of a quarter, in under two minutes. */
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
