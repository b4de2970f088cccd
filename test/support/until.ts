/** Time limit of a condition in this process. */
const TIMEOUT_MS = 10_000
/** Time limit of a condition that depends on programs which start while the machine runs other tests. */
export const PROGRAMS_MS = 60_000

/** Resolves when a condition holds, and rejects after the time limit. Polls, because the condition emits no event. */
export async function until (
  condition: () => boolean | Promise<boolean>,
  what = 'the condition',
  limitMs = TIMEOUT_MS
): Promise<void> {
  const deadline = Date.now() + limitMs
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come true`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
