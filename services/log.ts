import type { BaseLogger } from 'pino'

/** What services need of a logger: one sentence with its circumstances, at a level. */
export type Log = Pick<BaseLogger, 'debug' | 'info' | 'warn' | 'error'>
