import { percentile } from '../report/statistics.ts'
import { nowUs } from '../rig/clocks/stamp.ts'

/** Percentiles of the time from the server's decision to send to a client having all of the message. */
export interface Latencies { p50Ms: number, p95Ms: number, p99Ms: number }

const MOST = 1_000_000
const measured = new Float64Array(MOST)
let count = 0

/** Records the arrival of a message that was sent at this time. */
export function noteArrival (sentUs: number): void {
  if (count < MOST) measured[count++] = nowUs() - sentUs
}

/** Returns the percentiles of the latencies recorded since the last call. */
export function takeLatencies (): Latencies {
  const sorted = measured.subarray(0, count).sort()
  count = 0
  return { p50Ms: percentile(sorted, 50) / 1000, p95Ms: percentile(sorted, 95) / 1000, p99Ms: percentile(sorted, 99) / 1000 }
}
