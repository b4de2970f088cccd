import { setTimeout as sleep } from 'node:timers/promises'
import { othersPercent, type Reading } from './reading.ts'

const QUIET_PERCENT = 25
const PAUSE_MS = 500

/**
 * Whether other programs used so little CPU that the measurement is valid. Depends on the disturbance alone, not on the
 * result.
 */
export function isQuiet (used: Reading): boolean {
  return othersPercent(used) <= QUIET_PERCENT
}

/**
 * Measures again while other programs disturb; resolves with the first quiet attempt, or with the least disturbed one.
 */
export async function quietest<T extends { used: Reading }> (attempts: number, measure: () => Promise<T>): Promise<T> {
  let best = await measure()
  for (let again = 1; again < attempts && !isQuiet(best.used); again++) {
    await sleep(PAUSE_MS)
    const next = await measure()
    if (othersPercent(next.used) < othersPercent(best.used)) best = next
  }
  return best
}
