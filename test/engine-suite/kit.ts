import type { Test } from 'tap'
import type { NodeResponder, Engine, PageLimit } from '../../services/engine/engine.ts'
import type { Retention } from '../../services/engine/local/retention.ts'
import type { Address, Draft, Message, Offset } from '../../services/model/message.ts'

/** What an engine needs to run the suite. `advance` moves the engine's clock; limits are those of the suite. */
export interface EngineFixture {
  readonly engine: Engine
  readonly advance: (ms: number) => void
}

/** Limits that every engine under test is made with. */
export const LIMITS = {
  log: { maxAgeMs: 60_000, maxCount: 20 },
  inbox: { maxAgeMs: 600_000, maxCount: 5 },
  maxBytes: 20_000,
  idempotencyWindowMs: 5000
} satisfies Retention

export const NOBODY: NodeResponder = {
  delivery: () => ({ matched: 0, written: 0, dropped: 0 }),
  clients: () => ({ total: 0, clients: [], dropped: 0 }),
  groups: () => ({ groups: [] }),
  disconnect: () => ({ disconnected: 0 }),
  membership: () => ({ users: [] }),
  progress: () => ({ users: [] })
}

export const ALL: Address = { all: true }
export const BOB: Address = { user: 'bob' }
export const NEWS: Address = { group: 'news' }
export const PLENTY: PageLimit = { messages: 1000, bytes: 1_000_000 }

export function say (data: string, more: Partial<Draft> = {}): Draft {
  return { address: ALL, payload: { kind: 'text', data }, ...more }
}

export function texts (messages: readonly Message[]): string[] {
  return messages.map(({ payload }) => String(payload.data))
}

/** Everything at some addresses above an offset, as text, and whether something is gone. */
export async function readAll (engine: Engine, addresses: readonly Address[], after: Offset = 0): Promise<{ texts: string[], hasGap: boolean }> {
  const { messages, gapUpTo } = await engine.read(addresses.map((address) => ({ address, after })), PLENTY)
  return { texts: texts(messages), hasGap: gapUpTo > 0 }
}

/** Says some words to an address, one after another; answers their offsets. */
export async function sayAll (engine: Engine, address: Address, words: readonly string[]): Promise<Offset[]> {
  const offsets: Offset[] = []
  for (const word of words) offsets.push((await engine.append(say(word, { address }))).offset)
  return offsets
}

/** '0', '1', … */
export function numbers (count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${n}`)
}

/** One promise of an engine, on an engine that is new. */
export type TestOne = (title: string, body: (t: Test, fixture: EngineFixture) => Promise<void>) => void
