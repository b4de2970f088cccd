import { busyMs, cpuMs } from './cpu.ts'

/** CPU time of both processes and of all others, and the time on the clock, in milliseconds. */
export interface Reading { serverMs: number, loadMs: number, othersMs: number, wallMs: number }

/** What the clocks show now for a server and its load, which there may be none of. */
export function readClocks (server: number, load?: number): Reading {
  const serverMs = cpuMs(server)
  const loadMs = load === undefined ? 0 : cpuMs(load)
  return { serverMs, loadMs, othersMs: busyMs() - serverMs - loadMs, wallMs: performance.now() }
}

/** CPU time of other programs in percent of one core. */
export function othersPercent ({ othersMs, wallMs }: Reading): number {
  return othersMs / wallMs * 100
}

/** The same for server, load and other programs. */
export function corePercents (used: Reading): { serverPercent: number, loadPercent: number, othersPercent: number } {
  const { serverMs, loadMs, wallMs } = used
  return { serverPercent: serverMs / wallMs * 100, loadPercent: loadMs / wallMs * 100, othersPercent: othersPercent(used) }
}

/** The sum of several readings. */
export function total (readings: Reading[]): Reading {
  const sum = (key: keyof Reading): number => readings.reduce((all, reading) => all + reading[key], 0)
  return { serverMs: sum('serverMs'), loadMs: sum('loadMs'), othersMs: sum('othersMs'), wallMs: sum('wallMs') }
}

/** What happened between two readings. */
export function difference (before: Reading, after: Reading): Reading {
  return {
    serverMs: after.serverMs - before.serverMs,
    loadMs: after.loadMs - before.loadMs,
    othersMs: after.othersMs - before.othersMs,
    wallMs: after.wallMs - before.wallMs
  }
}
