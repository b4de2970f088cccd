import type { Offset } from '../../model/message.ts'

/** How one message fared on this node. Plain counters, because they are raised while thousands of clients are written. */
export class Delivery {
  /** Whether it may be asked for again, because the message has an idempotency key. */
  readonly isKept: boolean
  /** Live clients it is for. */
  matched = 0
  /** Clients for which the operating system has taken all its bytes. */
  written = 0
  /** Clients that lost it because they were over their limit. */
  dropped = 0

  constructor (isKept = false) {
    this.isKept = isKept
  }
}

/** Bytes on their way to clients: complete frames, shared by all clients that get them. */
export class Frame {
  readonly bytes: Buffer
  /** The message's counts; null for what is not a message of the log, such as pings and answers. */
  readonly delivery: Delivery | null
  /** While it waits for a slow client, a newer frame of the same key may take its place. */
  readonly conflate: string | undefined
  /** The offset, when it is a message that the client has to acknowledge; null for all others. */
  readonly ackOffset: Offset | null

  constructor (bytes: Buffer, delivery: Delivery | null = null, conflate?: string, toAcknowledge: Offset | null = null) {
    this.bytes = bytes
    this.delivery = delivery
    this.conflate = conflate
    this.ackOffset = toAcknowledge
  }
}

/**
 * What a client still has to be written, as the last node of an immutable linked list. Adding the same frame to the same
 * batch gives the same successor, so clients that were sent the same sequence share one list, and its bytes are put
 * together once for all of them.
 */
export class Batch {
  readonly previous: Batch | null
  readonly frame: Frame
  readonly frames: number
  readonly byteLength: number
  /** Since when its first frame has been waiting, in ms on a steady clock. */
  readonly since: number
  /** Clients whose operating system took the whole batch and that `settle` has not counted yet. */
  taken = 0
  /** Whether the flusher has it on its list. */
  isListed = false
  #next: Batch | null = null
  #bytes: Buffer | null = null

  constructor (previous: Batch | null, frame: Frame, since: number) {
    this.previous = previous
    this.frame = frame
    this.since = since
    this.frames = previous === null ? 1 : previous.frames + 1
    this.byteLength = (previous === null ? 0 : previous.byteLength) + frame.bytes.length
  }

  /** The batch that continues this one with a frame. */
  add (frame: Frame): Batch {
    if (this.#next === null || this.#next.frame !== frame) this.#next = new Batch(this, frame, this.since)
    return this.#next
  }

  /** All its bytes in one Buffer. */
  bytes (): Buffer {
    this.#bytes ??= this.#concatenate()
    return this.#bytes
  }

  /** Its frames, oldest first. */
  list (): Frame[] {
    const frames: Frame[] = []
    for (let node: Batch | null = this; node !== null; node = node.previous) frames.push(node.frame)
    return frames.reverse()
  }

  /** Adds the clients that took this batch to the counts of its messages, and lets go of what only sharing needed. */
  settle (): void {
    for (let node: Batch | null = this; node !== null; node = node.previous) {
      if (node.frame.delivery !== null) node.frame.delivery.written += this.taken
    }
    this.taken = 0
    this.isListed = false
    this.#bytes = null
    this.#next = null
  }

  #concatenate (): Buffer {
    if (this.frames === 1) return this.frame.bytes
    // Not from Buffer's shared pool, as with frames: it outlives its tick when it waits for a slow client.
    const bytes = Buffer.allocUnsafeSlow(this.byteLength)
    let end = this.byteLength
    for (let node: Batch | null = this; node !== null; node = node.previous) {
      end -= node.frame.bytes.length
      bytes.set(node.frame.bytes, end)
    }
    return bytes
  }
}
