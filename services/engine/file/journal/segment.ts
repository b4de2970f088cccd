import { close, closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, read } from 'node:fs'
import type { Offset } from '../../../model/message.ts'
import type { Predecessor } from './format.ts'

/**
 * An open segment file. The descriptor stays open until the segment is closed and no read and no writer uses it, so a
 * read survives that another file takes the name of the segment.
 */
export class Segment {
  readonly id: number
  readonly path: string
  readonly fd: number
  #length: number
  #syncedLength: number
  #lastOffset: Offset
  #users = 0
  #isClosed = false

  /** `length`: bytes in the file that are known to be good and synced. `lastOffset`: the greatest offset in them. */
  constructor (fd: number, path: string, id: number, length: number, lastOffset: Offset) {
    this.fd = fd
    this.path = path
    this.id = id
    this.#length = this.#syncedLength = length
    this.#lastOffset = lastOffset
  }

  /** Opens a segment for reads only: a sealed one, or one that the journal does not continue. */
  static open (path: string, id: number, lastOffset: Offset): Segment {
    const fd = openSync(path, 'r')
    return new Segment(fd, path, id, fstatSync(fd).size, lastOffset)
  }

  /**
   * Opens a segment that the journal continues. Cuts the file to its good length and syncs the file: records that a
   * killed process wrote and did not sync are as durable as all others afterwards. Blocks.
   *
   * @throws The error of the disk. Then the journal must begin a new segment.
   */
  static resume (path: string, id: number, length: number, lastOffset: Offset): Segment {
    const fd = openSync(path, 'r+')
    try {
      if (fstatSync(fd).size > length) ftruncateSync(fd, length)
      fdatasyncSync(fd)
      return new Segment(fd, path, id, length, lastOffset)
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** Length of the good part of the file; bytes behind it were never acknowledged. */
  get length (): number {
    return this.#length
  }

  /** Length of the part of the file that is on the disk. Current before a group counts as written. */
  get syncedLength (): number {
    return this.#syncedLength
  }

  /** Greatest offset in this segment and its predecessors. */
  get lastOffset (): Offset {
    return this.#lastOffset
  }

  /** The segment as the header of its successor names it. */
  asPredecessor (): Predecessor {
    return { id: this.id, length: this.#length, lastOffset: this.#lastOffset }
  }

  /** Notes a written group. `isSynced`: whether the file was synced as well. */
  extend (length: number, lastOffset: Offset, isSynced: boolean): void {
    this.#length = length
    this.#lastOffset = lastOffset
    if (isSynced) this.#syncedLength = length
  }

  /**
   * Reads a part of the file. Resolves to fewer bytes where the file ends before. The caller checks the checksums.
   * Rejects with the error of the disk, or with an Error when the segment is closed.
   */
  async read (position: number, length: number): Promise<Buffer> {
    this.retain()
    try {
      const bytes = Buffer.allocUnsafe(length)
      let at = 0
      while (at < length) {
        const count = await this.#readInto(bytes, at, position + at)
        if (count === 0) break
        at += count
      }
      return at === length ? bytes : bytes.subarray(0, at)
    } finally {
      this.release()
    }
  }

  /**
   * Keeps the descriptor open until `release`. A user of a segment may use it again after the segment is closed.
   *
   * @throws {Error} When the segment is closed and has no user.
   */
  retain (): void {
    if (this.#isClosed && this.#users === 0) throw new Error(`The segment ${this.path} is closed.`)
    this.#users++
  }

  /** Ends the use that `retain` began. */
  release (): void {
    this.#users--
    this.#closeUnused()
  }

  /** Refuses new reads; closes the descriptor when the last use ends. May be called twice. */
  close (): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#closeUnused()
  }

  #closeUnused (): void {
    if (!this.#isClosed || this.#users > 0) return
    // An error of close says nothing about synced data, and the descriptor is free in any case.
    close(this.fd, () => {})
  }

  #readInto (bytes: Buffer, at: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.fd, bytes, at, bytes.length - at, position, (error, count) => {
        if (error === null) resolve(count)
        else reject(error)
      })
    })
  }
}
