import { percentile } from '../report/statistics.ts'

/** Options of repeated publishes of one message to one user. */
export interface Appending {
  user: string
  /** Messages whose receipts are awaited at the same time. */
  inFlight: number
  /** Ends after this number of messages, if given… */
  most?: number
  /** …or after this time, whichever comes first. */
  forMs: number
}

/** The number of receipts, and percentiles of their times. */
export interface Appended { count: number, p50Ms: number, p99Ms: number }

/** Appends until one of the limits is reached; resolves after the last receipt. */
export async function appendAll ({ user, inFlight, most = Infinity, forMs }: Appending, append: (user: string) => Promise<unknown>): Promise<Appended> {
  const until = performance.now() + forMs
  const tookMs: number[] = []
  let begun = 0
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (begun < most) {
      const start = performance.now()
      if (start >= until) return
      begun++
      await append(user)
      tookMs.push(performance.now() - start)
    }
  }))
  const sorted = Float64Array.from(tookMs).sort()
  return { count: sorted.length, p50Ms: percentile(sorted, 50), p99Ms: percentile(sorted, 99) }
}
