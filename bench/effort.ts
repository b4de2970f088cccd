/** How long and how much is measured. */
export interface Effort {
  rounds: number
  /** Connections that receive a broadcast. */
  receivers: number
  warmUpMs: number
  /** A window ends when the server has used this much CPU time… */
  windowCpuMs: number
  /** …or when this much time has passed, whichever comes first. */
  windowWallMs: number
  /** How often a window is measured at most while other programs disturb it. */
  attempts: number
  /** Connections opened between two readings of the CPU time. */
  accepts: number
  /** Connections opened in all while measuring what accepting costs. */
  acceptsInAll: number
  /** Connections held open while memory is measured. */
  idle: number
}

export const full: Effort = {
  rounds: 5,
  receivers: 1000,
  warmUpMs: 600,
  windowCpuMs: 1000,
  windowWallMs: 3000,
  attempts: 8,
  accepts: 2000,
  acceptsInAll: 6000,
  idle: 10_000
}

/** Numbers good enough to see a change of a quarter, in under two minutes. */
export const quick: Effort = {
  rounds: 2,
  receivers: 1000,
  warmUpMs: 300,
  windowCpuMs: 400,
  windowWallMs: 1000,
  attempts: 1,
  accepts: 1000,
  acceptsInAll: 3000,
  idle: 3000
}
