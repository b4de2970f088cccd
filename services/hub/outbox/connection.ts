import type { Writable } from 'node:stream'

/** PORT: a live connection as the hub needs one, over any transport. */
export interface Connection {
  /** Stream that takes the frames. Only the outbox writes to this stream. */
  readonly stream: Writable
  /** Network address of the peer, as shown to operators. */
  readonly address: string
  /** Whether frames can still be written: false as soon as either side has begun to close. */
  readonly isOpen: boolean
  /** Whether the network below the connection has ended, also where no event has reported the end. */
  readonly isEnded: boolean
  /** Bytes received so far; undefined for a connection on which the peer sends no bytes, such as Server-Sent Events. */
  readonly bytesRead: number | undefined
  /** Closes the connection in order, with a close code and a reason of at most 123 bytes. */
  close (code: number, reason: string): void
  /** Ends the connection at once, without a close handshake. */
  terminate (): void
  /** Stops reading from the peer. */
  pause (): void
  /** Starts reading from the peer again. */
  resume (): void
}
