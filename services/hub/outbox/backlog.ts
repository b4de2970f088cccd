import { Batch, type Frame } from './batch.ts'

/**
 * The frames queued for one slow client, for the policies that drop older frames in favour of newer frames. A backlog,
 * unlike a batch, belongs to one client, because every client loses other frames.
 */
export class Backlog {
  /** Queued frames in the order of writing. A Map, so that removing any frame takes constant time. */
  readonly #frames = new Map<Frame | string, Frame>()
  readonly #conflates: boolean
  /** Bytes of all queued frames. */
  byteLength = 0

  /** `conflates`: a new frame replaces the queued frame with the same `conflate` key. */
  constructor (conflates: boolean) {
    this.#conflates = conflates
  }

  /** Number of queued frames. */
  get frames (): number {
    return this.#frames.size
  }

  /** Adds the newest frame, and returns the frame that the newest frame replaced. */
  add (frame: Frame): Frame | undefined {
    const key = this.#conflates ? frame.conflate ?? frame : frame
    const replaced = this.#remove(key)
    // The frame goes to the end, because the frames of a client are written in the order of their offsets.
    this.#frames.set(key, frame)
    this.byteLength += frame.bytes.length
    return replaced
  }

  /** Removes and returns the oldest frame; undefined when the backlog is empty. */
  shift (): Frame | undefined {
    for (const key of this.#frames.keys()) return this.#remove(key)
    return undefined
  }

  /**
   * Removes the oldest frames and returns them as a batch: as many frames as fit into `maxBytes`, but at least one.
   * Null when the backlog is empty. `now`: the time on the steady clock in ms, from which the age of the batch counts.
   */
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
