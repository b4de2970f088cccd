import type { RangeOptions, RootDatabase } from 'lmdb'
import { LmdbRoom } from './room.ts'

/**
 * How the file is opened. Each transaction is on the disk before the next begins, which is what a single writer wants; and
 * lmdb batches nothing by itself, because then a failure would also reject promises that nobody can get hold of.
 */
export const LMDB_OPTIONS = { encoding: 'binary', keyEncoding: 'binary', noSubdir: false, overlappingSync: false, eventTurnBatching: false } as const

/** A part of the store, in the order of its keys; `end` is not part of it. With `reverse` it begins at `start` and goes down. */
export interface Range {
  readonly start: Buffer
  readonly end: Buffer
  readonly limit?: number
  readonly reverse?: boolean
}

/** What a change costs beside its bytes: many share a page, and most pages come from what was freed before. */
const CHANGE_BYTES = 512

/** What one transaction changes. Of two changes to one key the later counts. */
export class Changes {
  readonly #list: Array<{ readonly key: Buffer, readonly value: Buffer | null }> = []
  #bytes = 0

  get length (): number {
    return this.#list.length
  }

  /** More than these changes take of the file, pages of the tree included; measured, with twice that to spare. */
  get bytes (): number {
    return 2 * this.#bytes + CHANGE_BYTES * this.#list.length
  }

  put (key: Buffer, value: Buffer): void {
    this.#list.push({ key, value })
    this.#bytes += key.length + value.length
  }

  remove (key: Buffer): void {
    this.#list.push({ key, value: null })
  }

  [Symbol.iterator] (): IterableIterator<{ readonly key: Buffer, readonly value: Buffer | null }> {
    return this.#list.values()
  }
}

/** The value of an entry that says everything with its key. */
export const EMPTY = Buffer.alloc(0)

/** What lmdb calls damage: a page that is not there or of the wrong sort, a file that is none of its own, or of another version. */
const DAMAGE_CODES = new Set([-30797, -30796, -30795, -30794, -30793, -30779])

export function isDamage (error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && DAMAGE_CODES.has(error.code)
}

/** The entries of an lmdb file. Everything that reads does so at once, from what has been committed. */
export class LmdbStore {
  readonly #db: RootDatabase<Buffer, Buffer>
  readonly #room: LmdbRoom

  /** `path`: where the file is. */
  constructor (db: RootDatabase<Buffer, Buffer>, path: string) {
    this.#db = db
    this.#room = new LmdbRoom(path)
  }

  get (key: Buffer): Buffer | undefined {
    return this.#db.getBinary(key)
  }

  keys (range: Range): Iterable<Buffer> {
    return this.#db.getKeys(toOptions(range))
  }

  entries (range: Range): Iterable<{ readonly key: Buffer, readonly value: Buffer }> {
    return this.#db.getRange(toOptions(range))
  }

  first (range: Range): Buffer | undefined {
    for (const key of this.keys({ ...range, limit: 1 })) return key
    return undefined
  }

  count (range: Range): number {
    return this.#db.getKeysCount(toOptions(range))
  }

  /** Makes all changes or none. Resolves when they are on the disk. */
  async commit (changes: Changes): Promise<void> {
    await this.#room.reserve(this.size, changes.bytes)
    try {
      await this.#db.batch(() => {
        for (const { key, value } of changes) {
          void (value === null ? this.#db.remove(key) : this.#db.put(key, value))
        }
      })
      await this.#db.flushed
    } catch (error) {
      // lmdb rejects with a general remark, which carries a promise that rejects with the reason.
      if (error instanceof Error && 'commitError' in error) await error.commitError
      throw error
    } finally {
      this.#db.resetReadTxn()
    }
  }

  /** Bytes that the file must have at least. */
  get size (): number {
    const { pageSize, lastPageNumber } = this.#db.getStats() as { pageSize: number, lastPageNumber: number }
    return pageSize * (lastPageNumber + 1)
  }

  async close (): Promise<void> {
    this.#room.close()
    await this.#db.close()
  }
}

function toOptions ({ start, end, limit, reverse = false }: Range): RangeOptions {
  return { start, end, reverse, ...(limit === undefined ? {} : { limit }) }
}
