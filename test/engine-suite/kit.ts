import type { Test } from 'tap'
import type { Engine } from '../../services/engine/engine.ts'
import type { PageLimit } from '../../services/engine/store.ts'
import type { Retention } from '../../services/engine/local/retention.ts'
import type { Address, Draft, Message, Offset } from '../../services/model/message.ts'

/** An engine under test, created with `LIMITS`. `advance` moves the clock of the engine. */
export interface EngineFixture {
  readonly engine: Engine
  readonly advance: (ms: number) => void
  /** Whether `append` hands the message to the follower before it returns its promise. Default true. */
  readonly isImmediate?: boolean
}

/** The retention of every engine under test. */
export const LIMITS = {
  log: { maxAgeMs: 60_000, maxCount: 20 },
  inbox: { maxAgeMs: 600_000, maxCount: 5 },
  maxBytes: 20_000,
  idempotencyWindowMs: 5000
} satisfies Retention

/** Limits so large that the log evicts no message. */
export const AMPLE_RETENTION = {
  log: { maxAgeMs: 86_400_000, maxCount: 1_000_000 },
  inbox: { maxAgeMs: 86_400_000, maxCount: 1_000_000 },
  maxBytes: 1024 ** 3,
  idempotencyWindowMs: 60_000
} satisfies Retention

/** A logger that records its lines. */
export class LogRecorder {
  readonly entries: Array<{ readonly level: string, readonly fields: object, readonly sentence: string }> = []
  readonly debug = this.record('debug')
  readonly info = this.record('info')
  readonly warn = this.record('warn')
  readonly error = this.record('error')

  sentencesAt (level: string): string[] {
    return this.entries.filter((one) => one.level === level).map(({ sentence }) => sentence)
  }

  record (level: string) {
    return (fields: unknown, sentence?: unknown) => {
      this.entries.push({ level, fields: fields as object, sentence: String(sentence) })
    }
  }
}

export const ALL: Address = { all: true }
export const BOB: Address = { user: 'bob' }
export const NEWS: Address = { group: 'news' }
/** A page that holds everything. */
export const PLENTY: PageLimit = { messages: 1000, bytes: 1_000_000 }

/** A text draft to everyone, unless `more` has another address or payload. */
export function draft (data: string, more: Partial<Draft> = {}): Draft {
  return { address: ALL, payload: { kind: 'text', data }, ...more }
}

/** The payloads of messages, as text. */
export function texts (messages: readonly Message[]): string[] {
  return messages.map(({ payload }) => String(payload.data))
}

/** The messages of some addresses above an offset, as text, and whether the page reports a gap. */
export async function readAll (
  engine: Engine, addresses: readonly Address[], after: Offset = 0
): Promise<{ texts: string[], hasGap: boolean }> {
  const { messages, gapUpTo } = await engine.read(addresses.map((address) => ({ address, after })), PLENTY)
  return { texts: texts(messages), hasGap: gapUpTo > 0 }
}

/** Appends texts to an address, one after another. Returns the offsets. */
export async function appendAll (engine: Engine, address: Address, texts: readonly string[]): Promise<Offset[]> {
  const offsets: Offset[] = []
  for (const text of texts) offsets.push((await engine.append(draft(text, { address }))).offset)
  return offsets
}

/** '0', '1', … */
export function numbers (count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${n}`)
}

/** Registers a test of one promise, which gets a new engine. */
export type TestOne = (title: string, body: (t: Test, fixture: EngineFixture) => Promise<void>) => void
