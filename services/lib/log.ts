import type { BaseLogger } from 'pino'

/**
 * The logger that services take: each method logs one sentence with its context at one level. Pino and `fastify.log`
 * fit.
 */
export type Log = Pick<BaseLogger, 'debug' | 'info' | 'warn' | 'error'>

/** Logs a warning and never throws, for callers that must not be interrupted, such as a loop over clients. */
export function warnSafely (log: Log, context: object, sentence: string): void {
  try {
    log.warn(context, sentence)
  } catch {
    // The application supplied the logger. A failing logger must not stop delivery to the clients.
  }
}

/**
 * Logs a value that application code threw. The value may be of any type and may throw again while the logger
 * serializes it; then the sentence is logged without the value, so that no error reaches the caller from there.
 */
export function reportFailure (log: Log, err: unknown, context: object, sentence: string): void {
  try {
    log.error({ err, ...context }, sentence)
  } catch {
    log.error(context, `${sentence}, with something that cannot be logged`)
  }
}
