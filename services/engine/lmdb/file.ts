import type { RangeOptions, RootDatabase } from 'lmdb'
import { LmdbRoom } from './room.ts'

/**
 * Options of the lmdb file. Each transaction is on the disk before the next transaction begins, as a single writer
 * requires. lmdb must not batch by itself: a failure would then also reject promises that are out of reach of the
 * caller.
 */
export const LMDB_OPTIONS = { encoding: 'binary', keyEncoding: 'binary', noSubdir: false, overlappingSync: false, eventTurnBatching: false } as const

/** A range of keys in order, without `end`. With `reverse`, the range begins at `start` and descends. */
export interface Range {
  readonly start: Buffer
  readonly end: Buffer
  readonly limit?: number
  readonly reverse?: boolean
}

/**
 * The overhead of a change beside its bytes: many changes share a page, and most pages come from the list of free
 * pages.
 */
const CHANGE_BYTES = 512

/** The changes of one transaction. The later of two changes to the same key applies. */
export class Changes {
  readonly #list: Array<{ readonly key: Buffer, readonly value: Buffer | null }> = []
  #bytes = 0

  get length (): number {
    return this.#list.length
  }

  /** An upper bound for the file space of these changes, including pages of the tree: a measured value, doubled. */
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

/** The value of an entry with all its information in the key. */
export const EMPTY = Buffer.alloc(0)

/** Error codes of lmdb for damage: a missing page, a page of the wrong type, a file of another format or version. */
const DAMAGE_CODES = new Set([-30797, -30796, -30795, -30794, -30793, -30779])

export function isDamage (error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && DAMAGE_CODES.has(error.code)
}

/** The entries of an lmdb file. All reads are synchronous and see committed data only. */
export class LmdbFile {
  readonly #db: RootDatabase<Buffer, Buffer>
  readonly #room: LmdbRoom

  /** `path`: the path of the lmdb file. */
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

  /** Commits the changes atomically. Resolves when the changes are on the disk. */
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
      // lmdb rejects with a general error. Its `commitError` is a promise that rejects with the reason.
      if (error instanceof Error && 'commitError' in error) await error.commitError
      throw error
    } finally {
      this.#db.resetReadTxn()
    }
  }

  /** The least number of bytes of a complete file. */
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
