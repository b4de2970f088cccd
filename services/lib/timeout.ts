/**
 * Waits until a promise settles, for at most `limitMs`.
 *
 * @returns True when the promise was fulfilled in time, false when the limit came first.
 * @throws The promise's own rejection, when the promise is rejected in time.
 */
export async function settledWithin (work: PromiseLike<unknown>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<false>((resolve) => { timer = setTimeout(() => resolve(false), limitMs) })
  try {
    return await Promise.race([work.then(() => true), timeout])
  } finally {
    clearTimeout(timer)
  }
}
