import { Batch, type Frame } from './batch.ts'

/**
 * What waits for one slow client when older frames may give way to newer ones. Unlike a batch it is the client's own,
 * because every client loses other frames.
 */
export class Backlog {
  /** In the order in which they are to be written. A Map, so that any of them can leave at the cost of one. */
  readonly #frames = new Map<Frame | string, Frame>()
  readonly #conflates: boolean
  /** Bytes that wait. */
  byteLength = 0

  /** `conflates`: a frame takes the place of the one with the same `conflate` key that still waits. */
  constructor (conflates: boolean) {
    this.#conflates = conflates
  }

  /** Frames that wait. */
  get frames (): number {
    return this.#frames.size
  }

  /** Adds the newest frame; answers the one whose place it took. */
  add (frame: Frame): Frame | undefined {
    const key = this.#conflates ? frame.conflate ?? frame : frame
    const older = this.#remove(key)
    // At the end, not in the old place: the order of a client's frames is that of their offsets.
    this.#frames.set(key, frame)
    this.byteLength += frame.bytes.length
    return older
  }

  /** Takes the oldest frame out. */
  shift (): Frame | undefined {
    for (const key of this.#frames.keys()) return this.#remove(key)
    return undefined
  }

  /** Takes the oldest frames out, as many as fit into `maxBytes` but at least one, as a batch of their own; null when nothing waits. */
  take (maxBytes: number, now: number): Batch | null {
    let batch: Batch | null = null
    for (const [key, frame] of this.#frames) {
      if (batch !== null && batch.byteLength + frame.bytes.length > maxBytes) break
      this.#remove(key)
      batch = new Batch(batch, frame, now)
    }
    return batch
  }

  #remove (key: Frame | string): Frame | undefined {
    const frame = this.#frames.get(key)
    if (frame === undefined) return undefined
    this.#frames.delete(key)
    this.byteLength -= frame.bytes.length
    return frame
  }
}
