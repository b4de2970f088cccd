/** Characters at the start of a text that say when it was sent. */
export const STAMP_BYTES = 16

/** How often the two clocks are compared: the process may be held up between looking at one and at the other. */
const READINGS = 1000

// `performance.now()` costs no allocation but starts at zero in every process; `hrtime` is one clock for all of them.
const startUs = Math.max(...Array.from({ length: READINGS }, () => Number(process.hrtime.bigint() / 1000n) - performance.now() * 1000))

/** Microseconds on a clock that all processes of the machine share. */
export function nowUs (): number {
  return performance.now() * 1000 + startUs
}

/** The text with the present time in place of its first characters. */
export function stamped (text: string): string {
  return String(Math.floor(nowUs())).padStart(STAMP_BYTES, '0') + text.slice(STAMP_BYTES)
}

/** The time in microseconds that stands here as digits. */
export function readStamp (bytes: Buffer, start: number): number {
  let us = 0
  for (let at = start; at < start + STAMP_BYTES; at++) us = us * 10 + (bytes[at] ?? 0) - 48
  return us
}
