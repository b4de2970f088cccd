const firstMs = 500
const longestMs = 20_000

// How long to wait before an attempt (0 is the first): full jitter, so that a restarted server is not met by all at once.
export function backoffMs (attempt, random = Math.random) {
  return random() * Math.min(longestMs, firstMs * 2 ** attempt)
}
