import { readFileSync } from 'node:fs'
import { platform } from 'node:process'

/** What a server holds. */
export interface Memory {
  /** Resident memory in bytes. */
  rss: number
  /** How much of it are pages of files, which the operating system can take back at any time; only where it tells. */
  filePages?: number
  /** Connections, where the server counts them. */
  clients?: number
}

/** Memory of this process after a garbage collection. */
export function ownMemory (): Memory {
  globalThis.gc?.()
  globalThis.gc?.()
  const rss = process.memoryUsage.rss()
  return platform === 'linux' ? { rss, filePages: filePages() } : { rss }
}

// proc_pid_status(5)
function filePages (): number {
  const [, kilobytes] = /^RssFile:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
  return Number(kilobytes ?? 0) * 1024
}

/** What of it is the server's own, in bytes. */
export function ownBytes ({ rss, filePages = 0 }: Memory): number {
  return rss - filePages
}
