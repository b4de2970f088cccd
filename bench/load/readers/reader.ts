/** A client that can lose its connection, reconnect, and continue at its position. */
export interface Reader {
  /** Connects, for the first time or again. Must not be called while it is connected. */
  connect (): void
  /** Destroys its TCP socket, without a close handshake. */
  cut (): void
}

/** The server and path of a reader. */
export interface ReaderOptions { port: number, path: string }

/** Events of a reader. */
export interface ReaderEvents {
  opened (): void
  message (text: string): void
  /** A message was received again and dropped. */
  repeated (): void
  /** The connection was lost, or could not be opened. */
  lost (): void
  /** The missed messages will not be delivered: the reader starts over. */
  startedOver (): void
}
