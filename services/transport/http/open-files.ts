import { readFileSync } from 'node:fs'

/** Files besides the segments of the log and the sockets: those of Node, and those that the log opens for a moment. */
const OTHER_FILES = 64
/** Bytes of a segment file of the log. */
const SEGMENT_BYTES = 64 * 1024 ** 2
/** Share of the sockets that is left to HTTP requests. */
const HTTP_SHARE = 0.1

/** Numbers of sockets for which the process can have files open. */
export interface SocketLimits {
  /** Clients, so that further ones get a response; 0 for no limit. */
  readonly maxClients: number
  /** Connections in all; further ones are closed at once. Infinity for no limit. */
  readonly maxConnections: number
}

/**
 * The number of files that this process may have open: the soft limit, which Node raises to the hard limit when it
 * starts. Null without a limit, and where the system does not tell it in `/proc/self/limits`.
 */
export function readOpenFileLimit (): number | null {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
    return soft === undefined ? null : Number(soft)
  } catch {
    // No Linux: the hub cannot know the limit.
    return null
  }
}

/**
 * Lowers `maxClients` so that sockets never use up the files of the process: without a file, neither the log nor the
 * server could go on.
 *
 * @param maxClients The configured number; 0 for no limit.
 * @param logBytes Largest size of the log on disk in bytes; 0 for a log in memory.
 * @param openFileLimit The result of `readOpenFileLimit`.
 */
export function fitSockets (maxClients: number, logBytes: number, openFileLimit: number | null): SocketLimits {
  if (openFileLimit === null) return { maxClients, maxConnections: Infinity }
  const segments = Math.ceil(logBytes / SEGMENT_BYTES)
  const maxConnections = Math.max(1, openFileLimit - OTHER_FILES - segments)
  const possible = Math.max(1, Math.floor(maxConnections * (1 - HTTP_SHARE)))
  return { maxClients: maxClients === 0 ? possible : Math.min(maxClients, possible), maxConnections }
}
