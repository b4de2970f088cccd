import { readFileSync, rmSync, writeFileSync } from 'node:fs'

/** Consecutive ends without a close that lead to a check of the store, in case the store itself ends the process. */
const MAX_UNCLEAN = 3

interface Content {
  /** The phase of the last owner: opening the store, or using the open store. */
  readonly phase: 'opening' | 'open'
  /** The number of consecutive times that the store was opened and not closed, including the current time. */
  readonly unclean: number
}

/**
 * The clean-shutdown marker: a small file beside a store with the phase of its last owner. A damaged store can end the
 * process without an error; the marker is then the only evidence for the next process.
 */
export class OpenRecord {
  readonly #path: string
  readonly #last: Content | null
  #isSuspected = false

  constructor (path: string) {
    this.#path = path
    this.#last = read(path)
  }

  /** Whether the last owner ended while opening the store, or the last MAX_UNCLEAN owners all ended without a close. */
  get isSuspicious (): boolean {
    return this.#last !== null && (this.#last.phase === 'opening' || this.#last.unclean >= MAX_UNCLEAN)
  }

  /** Marks the store as being opened. `isSound`: the store has passed a check. */
  opening (isSound: boolean): void {
    this.#write({ phase: 'opening', unclean: this.#unclean(isSound) })
  }

  opened (isSound: boolean): void {
    this.#write({ phase: 'open', unclean: this.#unclean(isSound) })
  }

  /** Marks an open store as damaged, so that the next process checks the store. */
  suspect (): void {
    this.#isSuspected = true
    try {
      this.opening(true)
    } catch {
      // The folder is not writable either. The damage appears again when the store is next in use.
    }
  }

  closed (): void {
    if (!this.#isSuspected) rmSync(this.#path, { force: true })
  }

  #unclean (isSound: boolean): number {
    return isSound ? 1 : (this.#last?.unclean ?? 0) + 1
  }

  #write (content: Content): void {
    writeFileSync(this.#path, JSON.stringify(content))
  }
}

function read (path: string): Content | null {
  try {
    const { phase, unclean } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Content>
    return { phase: phase === 'open' ? 'open' : 'opening', unclean: typeof unclean === 'number' ? unclean : 0 }
  } catch (error) {
    // A missing file is the usual case. An unreadable file results from an interrupted write.
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? null : { phase: 'opening', unclean: 0 }
  }
}
