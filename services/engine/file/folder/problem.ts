/** Error codes for a full disk, an exhausted quota of the user, and the file size limit of the process. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/**
 * Returns one sentence with the reason why the log cannot be written, and the consequence. The sentence names no path,
 * because publishers receive it.
 */
export function explainFailure (error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  const reason = FULL.has(code) ? 'its disk is full' : code
  return `The log cannot be written (${reason}); messages are delivered and not stored.`
}
