/** A client that can lose its connection, come again, and go on where it was. */
export interface Reader {
  /** Connects, for the first time or again. Not while it is connected. */
  connect (): void
  /** Destroys its TCP socket, without a word to the server. */
  cut (): void
}

/** Where a reader connects. */
export interface ReaderOptions { port: number, path: string }

/** What a reader tells. */
export interface ReaderEvents {
  opened (): void
  message (text: string): void
  /** A message that it had already came again, and was dropped. */
  repeated (): void
  /** The connection is gone, or was never made. */
  lost (): void
  /** What it had missed is not going to come: it begins anew. */
  startedOver (): void
}
