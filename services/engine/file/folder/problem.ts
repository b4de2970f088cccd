/** Error codes for a full disk, an exhausted quota of the user, and the file size limit of the process. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** Returns one sentence with the reason why a folder is not writable, and the consequence. */
export function explainFailure (folder: string, error: unknown): string {
  const isFull = error instanceof Error && 'code' in error && typeof error.code === 'string' && FULL.has(error.code)
  return `The log in ${folder} cannot be written (${isFull ? 'its disk is full' : String(error)}); messages are delivered and not stored.`
}
