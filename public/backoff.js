const firstMs = 500
const longestMs = 20_000

// Returns the delay before an attempt (0 is the first), with full jitter, so that clients do not all reconnect at the
// same time.
export function backoffMs (attempt, random = Math.random) {
  return random() * Math.min(longestMs, firstMs * 2 ** attempt)
}
