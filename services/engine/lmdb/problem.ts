/** What a disk says that has no room, a user that has used up a quota, and a process whose files may not be larger. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** One sentence on why nothing can be written to a folder, and what that means. */
export function explainFailure (folder: string, error: unknown): string {
  const isFull = error instanceof Error && 'code' in error && typeof error.code === 'string' && FULL.has(error.code)
  return `The log in ${folder} cannot be written (${isFull ? 'its disk is full' : String(error)}); messages are delivered and not stored.`
}
