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

/**
 * Closes all clients in paced batches with 1012 (service restart), and cuts off those that are still there at the
 * deadline. Resolves when nobody is left.
 */
export async function drain (registry: Registry, { graceMs, batch }: DrainOptions): Promise<void> {
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(), graceMs)
  const waiting = [...registry.all()]
  while (waiting.length > 0 && !deadline.signal.aborted) {
    for (const client of waiting.splice(0, batch)) client.close(CLOSE.restart)
    // An abort only ends the pause early.
    if (waiting.length > 0) await sleep(STEP_MS, undefined, { signal: deadline.signal }).catch(() => {})
  }
  const emptied = registry.emptied()
  await Promise.race([emptied, aborted(deadline.signal)])
  clearTimeout(timer)
  for (const client of registry.all()) client.terminate(CLOSE.restart)
  await emptied
}

function aborted (signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
