import type { Offset } from '../../model/message.ts'

/**
 * Counts of one message on this node. Plain counters, because the fan-out raises the counters while it writes to
 * thousands of clients.
 */
export class Delivery {
  /** Whether the message has an idempotency key, so that a later publish with the same key reads the counts again. */
  readonly hasKey: boolean
  /** Live clients that the message is addressed to. */
  matched = 0
  /** Clients for which the operating system has taken all bytes of the message. */
  written = 0
  /** Clients that lost the message because their outbox was over its limit. */
  dropped = 0

  constructor (hasKey = false) {
    this.hasKey = hasKey
  }
}

/** One complete frame as bytes. All clients that receive the frame share these bytes. */
export class Frame {
  readonly bytes: Buffer
  /** Counts of the message; null for a frame that is not a message of the log, such as a ping or a reply. */
  readonly delivery: Delivery | null
  /** Conflate key: while the frame is queued for a slow client, a newer frame with the same key replaces the frame. */
  readonly conflate: string | undefined
  /** Offset of a message that the client has to acknowledge; null for every other frame. */
  readonly ackOffset: Offset | null

  constructor (bytes: Buffer, delivery: Delivery | null = null, conflate?: string, ackOffset: Offset | null = null) {
    this.bytes = bytes
    this.delivery = delivery
    this.conflate = conflate
    this.ackOffset = ackOffset
  }
}

/**
 * The frames queued for a client, as the last node of an immutable linked list. Adding the same frame to the same batch
 * returns the same successor, so clients that receive the same sequence of frames share one list, and the bytes of the
 * list are concatenated once for all of these clients.
 */
export class Batch {
  readonly previous: Batch | null
  readonly frame: Frame
  /** Number of frames, from the first to this one. */
  readonly frames: number
  /** Bytes of all frames. */
  readonly byteLength: number
  /** When the first frame was queued, in ms on the steady clock. */
  readonly queuedAt: number
  /** Clients whose operating system took the whole batch and that `settle` has not counted yet. */
  takenBy = 0
  /** Whether the batch is on the flusher's list of written batches. */
  isListed = false
  #next: Batch | null = null
  #bytes: Buffer | null = null

  constructor (previous: Batch | null, frame: Frame, queuedAt: number) {
    this.previous = previous
    this.frame = frame
    this.queuedAt = queuedAt
    this.frames = previous === null ? 1 : previous.frames + 1
    this.byteLength = (previous === null ? 0 : previous.byteLength) + frame.bytes.length
  }

  /** Returns the batch that continues this batch with `frame`: the cached successor when the frame is the same. */
  add (frame: Frame): Batch {
    if (this.#next === null || this.#next.frame !== frame) this.#next = new Batch(this, frame, this.queuedAt)
    return this.#next
  }

  /** Returns the bytes of all frames in one Buffer, concatenated at the first call. */
  bytes (): Buffer {
    this.#bytes ??= this.#concatenate()
    return this.#bytes
  }

  /** Returns the frames, oldest first. */
  list (): Frame[] {
    const frames: Frame[] = []
    for (let node: Batch | null = this; node !== null; node = node.previous) frames.push(node.frame)
    return frames.reverse()
  }

  /**
   * Adds the clients that took this batch to the counts of the messages in the batch, and releases the cached successor
   * and the concatenated bytes.
   */
  settle (): void {
    for (let node: Batch | null = this; node !== null; node = node.previous) {
      if (node.frame.delivery !== null) node.frame.delivery.written += this.takenBy
    }
    this.takenBy = 0
    this.isListed = false
    this.#bytes = null
    this.#next = null
  }

  #concatenate (): Buffer {
    if (this.frames === 1) return this.frame.bytes
    // Not from Buffer's shared pool, as with frames: the bytes outlive the tick while a slow client has not taken them.
    const bytes = Buffer.allocUnsafeSlow(this.byteLength)
    let end = this.byteLength
    for (let node: Batch | null = this; node !== null; node = node.previous) {
      end -= node.frame.bytes.length
      bytes.set(node.frame.bytes, end)
    }
    return bytes
  }
}
