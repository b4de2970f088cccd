import type { Log } from '../../lib/log.ts'
import { ERRORS } from '../../model/errors.ts'

/** Time in ms after which each code may be logged again, and the lines that are left out are counted in the log. */
const WINDOW_MS = 10_000
/** Lines for one code within a window. */
const MAX_LINES = 10
/** Characters of a logged path; a request line may have 16 KiB. */
const MAX_PATH = 256

/** An application: its HTTP server, and its log. */
interface Application {
  readonly server: object
  readonly log: Log
}

/** The part of a refused request that the log shows. */
export interface RefusedRequest {
  readonly method: string
  /** Query and fragment, which may contain a token, are left out. */
  readonly url: string
  readonly ip: string
  readonly log: Log
  readonly server: Application
}

/** The reason of a refusal: the code of an error, with the HTTP status or the close code. */
export interface Refusal {
  readonly code: string
  readonly statusCode?: number
  readonly closeCode?: number
  readonly reason: string
}

/**
 * Logs refusals, at most 10 lines for each code within 10 s, so that clients without a token cannot fill the disk. A
 * line at the end of the 10 s has the number of the others, by code.
 */
export class RefusalLog {
  readonly #log: Log
  readonly #windowMs: number
  readonly #counts = new Map<string, number>()
  #timer: NodeJS.Timeout | null = null

  /** @param windowMs Length of a window in ms. Default 10 s. */
  constructor (log: Log, windowMs = WINDOW_MS) {
    this.#log = log
    this.#windowMs = windowMs
  }

  /**
   * Logs a refusal, unless its code has its lines of this window.
   *
   * @param code A code of the hub, or `other`: the number of different codes bounds the number of lines.
   * @param log The log of the request. Default: the log of the application.
   */
  add (code: string, fields: object, sentence: string, log = this.#log): void {
    this.#timer ??= setTimeout(() => this.#endWindow(), this.#windowMs).unref()
    const count = (this.#counts.get(code) ?? 0) + 1
    this.#counts.set(code, count)
    if (count <= MAX_LINES) log.info(fields, sentence)
  }

  #endWindow (): void {
    this.#timer = null
    const more = [...this.#counts].filter(([, count]) => count > MAX_LINES)
    const suppressed = Object.fromEntries(more.map(([code, count]) => [code, count - MAX_LINES]))
    this.#counts.clear()
    if (more.length > 0) this.#log.info({ suppressed }, 'more requests were refused')
  }
}

/** The refusal log of each HTTP server. */
const logs = new WeakMap<object, RefusalLog>()

/** The refusal log of an application. */
export function refusalLogOf ({ server, log }: Application): RefusalLog {
  const present = logs.get(server)
  if (present !== undefined) return present
  const created = new RefusalLog(log)
  logs.set(server, created)
  return created
}

/** Logs the refusal of a request with its method, path and address. */
export function logRefusal (request: RefusedRequest, refusal: Refusal, sentence = 'request refused'): void {
  const code = Object.hasOwn(ERRORS, refusal.code) ? refusal.code : 'other'
  refusalLogOf(request.server).add(code, { ...fieldsOf(request), ...refusal }, sentence, request.log)
}

/** The log fields of a request. */
export function fieldsOf ({ method, url, ip: address }: Pick<RefusedRequest, 'method' | 'url' | 'ip'>) {
  return { method, path: pathOf(url).slice(0, MAX_PATH), address }
}

/** The path of a URL, without query and fragment. */
export function pathOf (url: string): string {
  const [path = ''] = url.split(/[?#]/, 1)
  return path
}
