import type { Writable } from 'node:stream'

/** What the hub needs from a live connection, whatever its transport. */
export interface Connection {
  /** Where frames are written. Only the outbox does. */
  readonly stream: Writable
  /** The peer's network address, as operators should see it. */
  readonly address: string
  /** Whether frames may still be written: false from the moment on that either side began to close. */
  readonly isOpen: boolean
  /** Bytes that have come in so far; undefined where there is no network to lose. */
  readonly bytesRead: number | undefined
  /** Ends the connection in order, with a code and a reason of at most 123 bytes. */
  close (code: number, reason: string): void
  /** Ends the connection at once. */
  terminate (): void
  /** Stops and restarts reading from the peer. */
  pause (): void
  resume (): void
}
