import { setTimeout as sleep } from 'node:timers/promises'
import { CLOSE } from '../close-codes.ts'
import type { Registry } from './registry.ts'

/** How clients are sent away when the service stops. */
export interface DrainOptions {
  /** Time in ms after which whoever is still connected is cut off. */
  readonly graceMs: number
  /** Clients that are told to go per step of 100 ms, so that they do not all come back elsewhere at once. */
  readonly batch: number
}

const STEP_MS = 100
/** What a terminated connection gets to report its end. */
const CUT_MS = 1000

/**
 * Closes all clients in paced batches with 1012 (service restart), and cuts off those that are still there at the
 * deadline. Resolves when nobody is left and the application knows it, or, a second after the deadline, with the number
 * of those that could not be ended.
 */
export async function drain (registry: Registry, { graceMs, batch }: DrainOptions): Promise<number> {
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(), graceMs)
  const waiting = [...registry.all()]
  while (waiting.length > 0 && !deadline.signal.aborted) {
    for (const client of waiting.splice(0, batch)) client.close(CLOSE.restart)
    if (waiting.length > 0) await pause(STEP_MS, deadline.signal)
  }
  await Promise.race([registry.emptied(), aborted(deadline.signal)])
  clearTimeout(timer)
  if (registry.isEmpty) return 0

  for (const client of registry.all()) client.terminate(CLOSE.restart)
  const cut = new AbortController()
  await Promise.race([registry.emptied(), pause(CUT_MS, cut.signal)])
  cut.abort()
  return registry.unfinished
}

/** Resolves after some time, or at once when the signal says so. */
function pause (ms: number, signal: AbortSignal): Promise<unknown> {
  return sleep(ms, undefined, { signal }).catch(() => {}) // The only failure is the abort.
}

function aborted (signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
