/** Time limit of a condition in this process. */
const TIMEOUT_MS = 10_000
/** Time limit of a condition that depends on programs which start while the machine runs other tests. */
export const PROGRAMS_MS = 60_000
/** Polling interval of a condition in this process: short, because a check is cheap. */
const INTERVAL_MS = 5
/** Polling interval of a condition in another program: each check is a message to the program. */
const PROGRAMS_INTERVAL_MS = 25

/** Resolves when a condition holds, and rejects after the time limit. Polls, because the condition emits no event. */
export async function until (
  condition: () => boolean | Promise<boolean>,
  what = 'the condition',
  limitMs = TIMEOUT_MS
): Promise<void> {
  const deadline = Date.now() + limitMs
  const interval = limitMs >= PROGRAMS_MS ? PROGRAMS_INTERVAL_MS : INTERVAL_MS
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`timeout after ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, interval))
  }
}
