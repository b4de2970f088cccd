import type { BaseLogger } from 'pino'

/** What services need of a logger: one sentence with its circumstances, at a level. */
export type Log = Pick<BaseLogger, 'debug' | 'info' | 'warn' | 'error'>

/** Warns from where nothing may go wrong, such as in the middle of a loop over clients. */
export function warnSafely (log: Log, circumstances: object, sentence: string): void {
  try {
    log.warn(circumstances, sentence)
  } catch {
    // A logger of the application's that fails has told its owner; the clients have nothing to do with it.
  }
}

/**
 * Logs what an application's code threw. That may be anything, even something that throws again when it is looked at,
 * and nothing of it may come back to the caller.
 */
export function reportFailure (log: Log, err: unknown, circumstances: object, sentence: string): void {
  try {
    log.error({ err, ...circumstances }, sentence)
  } catch {
    log.error(circumstances, `${sentence}, with something that cannot be logged`)
  }
}
