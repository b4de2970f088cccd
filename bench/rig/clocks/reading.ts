import { busyMs, cpuMs } from './cpu.ts'

/** CPU time of both processes and of all others, and the wall-clock time, in milliseconds. */
export interface Reading { serverMs: number, loadMs: number, othersMs: number, wallMs: number }

/** Reads the clocks of a server and of its load, if there is a load. */
export function readClocks (server: number, load?: number): Reading {
  const serverMs = cpuMs(server)
  const loadMs = load === undefined ? 0 : cpuMs(load)
  return { serverMs, loadMs, othersMs: busyMs() - serverMs - loadMs, wallMs: performance.now() }
}

/** Returns the CPU time of other programs in percent of one core. */
export function othersPercent ({ othersMs, wallMs }: Reading): number {
  return othersMs / wallMs * 100
}

/** Returns the CPU time of server, load and other programs in percent of one core. */
export function corePercents (used: Reading): { serverPercent: number, loadPercent: number, othersPercent: number } {
  const { serverMs, loadMs, wallMs } = used
  return { serverPercent: serverMs / wallMs * 100, loadPercent: loadMs / wallMs * 100, othersPercent: othersPercent(used) }
}

/** Returns the sum of several readings. */
export function total (readings: Reading[]): Reading {
  const sum = (key: keyof Reading): number => readings.reduce((all, reading) => all + reading[key], 0)
  return { serverMs: sum('serverMs'), loadMs: sum('loadMs'), othersMs: sum('othersMs'), wallMs: sum('wallMs') }
}

/** Returns the difference between two readings. */
export function difference (before: Reading, after: Reading): Reading {
  return {
    serverMs: after.serverMs - before.serverMs,
    loadMs: after.loadMs - before.loadMs,
    othersMs: after.othersMs - before.othersMs,
    wallMs: after.wallMs - before.wallMs
  }
}
