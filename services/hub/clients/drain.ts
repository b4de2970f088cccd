import { setTimeout as sleep } from 'node:timers/promises'
import { CLOSE } from '../../model/close-codes.ts'
import { settledWithin } from '../../lib/timeout.ts'
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
  await settledWithin(sendAway(registry, batch, deadline.signal), graceMs)
  deadline.abort()
  if (registry.isEmpty) return 0

  for (const client of registry.all()) client.terminate(CLOSE.restart)
  await settledWithin(registry.emptied(), CUT_MS)
  return registry.unfinished
}

/** Resolves when nobody is left. */
async function sendAway (registry: Registry, batch: number, signal: AbortSignal): Promise<void> {
  const waiting = [...registry.all()]
  while (waiting.length > 0 && !signal.aborted) {
    for (const client of waiting.splice(0, batch)) client.close(CLOSE.restart)
    if (waiting.length > 0) await sleep(STEP_MS, undefined, { signal }).catch(() => {}) // The only failure is the abort.
  }
  await registry.emptied()
}
