import { setTimeout as sleep } from 'node:timers/promises'
import { CLOSE } from '../../model/close-codes.ts'
import { settledWithin } from '../../lib/timeout.ts'
import type { Registry } from './registry.ts'

/** Pace and deadline for closing the clients when the service stops. */
export interface DrainOptions {
  /** Time in ms after which the remaining connections are terminated. */
  readonly graceMs: number
  /** Clients closed per step of 100 ms, so that the clients do not all reconnect to other nodes at once. */
  readonly batch: number
}

/** Time in ms between two batches. */
export const DRAIN_STEP_MS = 100
/** Time in ms in which a terminated connection has to report its end. */
const TERMINATE_MS = 1000

/**
 * Closes all clients in paced batches with 1012 (service restart), and terminates the remaining connections after
 * `graceMs`. Resolves with 0 when all clients have disconnected and all `close` listeners have finished; at the latest
 * a second after the deadline, with the number of unfinished connections.
 */
export async function drain (registry: Registry, { graceMs, batch }: DrainOptions): Promise<number> {
  const deadline = new AbortController()
  await settledWithin(closeAll(registry, batch, deadline.signal), graceMs)
  deadline.abort()
  if (registry.isEmpty) return 0

  for (const client of registry.all()) client.terminate(CLOSE.restart)
  await settledWithin(registry.emptied(), TERMINATE_MS)
  return registry.unfinished
}

/** Closes the clients batch by batch until the signal aborts. Resolves when the registry is empty. */
async function closeAll (registry: Registry, batch: number, signal: AbortSignal): Promise<void> {
  const remaining = [...registry.all()]
  while (remaining.length > 0 && !signal.aborted) {
    for (const client of remaining.splice(0, batch)) client.close(CLOSE.restart)
    // The only failure is the abort.
    if (remaining.length > 0) await sleep(DRAIN_STEP_MS, undefined, { signal }).catch(() => {})
  }
  await registry.emptied()
}
