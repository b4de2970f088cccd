/** Returns the median; for an even number of values, the mean of the two in the middle. */
export function median (values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** Returns the percentile by the nearest-rank method; the values must be sorted. */
export function percentile (sorted: ArrayLike<number>, percent: number): number {
  return sorted[Math.ceil(sorted.length * percent / 100) - 1] ?? Number.NaN
}

/** Returns the spread of the values: highest minus lowest, in percent of the median. */
export function spreadPercent (values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values) * 100
}
