import { existsSync } from 'node:fs'
import type { Log } from '../../../lib/log.ts'
import type { Journal } from '../journal/journal.ts'
import type { Segments } from '../segments.ts'

/** Interval of the checks, in ms. */
const CHECK_MS = 5000

/**
 * Notices when somebody removes files of a running log. Messages in a removed file stay readable until the process
 * ends, because the file is open; after a restart, their readers receive a gap. Messages go on in a new file.
 */
export class FileWatch {
  readonly #segments: Segments
  readonly #journal: Journal
  readonly #log: Log
  readonly #timer: NodeJS.Timeout
  readonly #reported = new Set<string>()

  constructor (segments: Segments, journal: Journal, log: Log) {
    this.#segments = segments
    this.#journal = journal
    this.#log = log
    this.#timer = setInterval(() => this.check(), CHECK_MS).unref()
  }

  /** Checks that all files are in their place. */
  check (): void {
    const paths = this.#segments.paths()
    for (const path of paths) {
      if (this.#reported.has(path) || existsSync(path)) continue
      this.#reported.add(path)
      this.#log.error({ path }, 'a file of the log was removed; after a restart, readers of its messages receive a gap')
      if (path !== paths.at(-1)) continue
      this.#journal.abandon('A file of the log was removed while it was in use; messages are delivered and not stored.')
    }
  }

  close (): void {
    clearInterval(this.#timer)
  }
}
