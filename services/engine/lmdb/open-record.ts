import { readFileSync, rmSync, writeFileSync } from 'node:fs'

/** Ends in a row without a close after which a store is checked, in case it is the store that ends the process. */
const MAX_UNCLEAN = 3

interface Content {
  /** Whether the store was being opened, or was open. */
  readonly phase: 'opening' | 'open'
  /** How many times in a row, this one included, it was opened and not closed. */
  readonly unclean: number
}

/**
 * A small file beside a store that says how far its last owner got. A damaged store can end the process without a word;
 * then the file is what tells the next process.
 */
export class OpenRecord {
  readonly #path: string
  readonly #last: Content | null
  #isSuspected = false

  constructor (path: string) {
    this.#path = path
    this.#last = read(path)
  }

  /** Whether the last owner ended while it opened the store, or the last few all ended without closing it. */
  get isSuspicious (): boolean {
    return this.#last !== null && (this.#last.phase === 'opening' || this.#last.unclean >= MAX_UNCLEAN)
  }

  /** `isSound`: the store has been checked. */
  opening (isSound: boolean): void {
    this.#write({ phase: 'opening', unclean: this.#unclean(isSound) })
  }

  opened (isSound: boolean): void {
    this.#write({ phase: 'open', unclean: this.#unclean(isSound) })
  }

  /** The store has turned out to be damaged while it was open. */
  suspect (): void {
    this.#isSuspected = true
    try {
      this.opening(true)
    } catch {
      // The folder cannot be written either. Then it shows again the next time.
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
    // No file is the usual case. One that cannot be read was being written.
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? null : { phase: 'opening', unclean: 0 }
  }
}
