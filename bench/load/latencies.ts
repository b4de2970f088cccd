import { nowUs } from '../stamp.ts'

/** Percentiles of the time from the server's decision to send to a client having all of the message. */
export interface Latencies { p50Ms: number, p95Ms: number, p99Ms: number }

const MOST = 1_000_000
const measured = new Float64Array(MOST)
let count = 0

/** Notes that a message sent at this time has just arrived. */
export function noteArrival (sentUs: number): void {
  if (count < MOST) measured[count++] = nowUs() - sentUs
}

/** The percentiles of all that was noted since the last time. */
export function takeLatencies (): Latencies {
  const sorted = measured.subarray(0, count).sort()
  const percentile = (percent: number): number => (sorted[Math.ceil(sorted.length * percent / 100) - 1] ?? Number.NaN) / 1000
  count = 0
  return { p50Ms: percentile(50), p95Ms: percentile(95), p99Ms: percentile(99) }
}
