/** Length of the time of sending at the start of a text. */
export const STAMP_BYTES = 16

/** Number of comparisons of the two clocks: the process may be interrupted between the two readings. */
const READINGS = 1000

// `performance.now()` does not allocate but starts at zero in every process; `hrtime` is one clock for all processes.
const startUs = Math.max(...Array.from({ length: READINGS }, () => Number(process.hrtime.bigint() / 1000n) - performance.now() * 1000))

/** Returns microseconds on a clock that all processes of the machine share. */
export function nowUs (): number {
  return performance.now() * 1000 + startUs
}

/** Returns the text with the current time in place of its first characters. */
export function stamped (text: string): string {
  return String(Math.floor(nowUs())).padStart(STAMP_BYTES, '0') + text.slice(STAMP_BYTES)
}

/** Returns the time in microseconds that is encoded here as digits. */
export function readStamp (bytes: Buffer, start: number): number {
  let us = 0
  for (let at = start; at < start + STAMP_BYTES; at++) us = us * 10 + (bytes[at] ?? 0) - 48
  return us
}
