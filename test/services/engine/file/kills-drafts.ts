// The messages of kills.test.ts, which the test and its child program compute from the same numbers.
import { crc32 } from 'node:zlib'
import type { Engine } from '../../../../services/engine/engine.ts'
import type { Retention } from '../../../../services/engine/local/retention.ts'
import {
  addressKey, type Address, type AddressKey, type Draft, type Offset
} from '../../../../services/model/message.ts'
import { Random } from '../../../support/random.ts'

export const ADDRESSES: readonly Address[] = [
  { all: true }, { group: 'a' }, { group: 'b' }, { client: 'c' },
  ...['1', '2', '3', '4'].map((user) => ({ user }))
]
export const STATE_KEYS = ['k0', 'k1', 'k2']

/** The work of one life of the child program: from the start of the process to its kill. */
export interface Life {
  /** The folder of the log. */
  readonly path: string
  /** Seed of the messages of the folder. */
  readonly seed: number
  /** Number of the life in the folder. */
  readonly number: number
  /** Appends in flight. */
  readonly inFlight: number
  readonly retention: Retention
  readonly segmentBytes: number
  readonly hotBytes: number
  /** Additional time of each sync of a segment: a slow disk. */
  readonly syncMs: number
  /** Difference between the clock of the life and the system clock. */
  readonly clockMs: number
  /** Ids of drafts of earlier lives, which the life appends again. */
  readonly repeated: readonly string[]
}

/** The draft with an id, `life.number`. Its payload begins with the id and a space. */
export function draftOf (seed: number, id: string): Draft {
  const random = new Random(crc32(`${seed} ${id}`))
  const filler = random.oneOf(['x', 'é', '€', '😀', '\0']).repeat(random.oneOf([0, 10, 100, 100, 300, 300, 700, 5000]))
  const text = `${id} ${filler}`
  const more = random.below(4)
  return {
    address: random.oneOf(ADDRESSES),
    payload: random.below(4) === 0 ? { kind: 'binary', data: Buffer.from(text) } : { kind: 'text', data: text },
    ...(random.below(3) === 0 ? { key: `key ${id}` } : {}),
    ...(random.below(8) === 0 ? { keep: false } : {}),
    ...(more === 0 ? { ttl: 1_000_000 + random.below(1000), from: 'eve' } : {}),
    ...(more === 1 ? { except: [id], conflate: 'value' } : {})
  }
}

/** The id of a draft or a message. */
export function idOf ({ payload: { data } }: Draft): string {
  return Buffer.from(data).toString('latin1').split(' ', 1)[0] ?? ''
}

/** The whole content of a draft or a message as text, without the offset and the time. */
export function contentOf ({ address, payload: { kind, data }, ...more }: Draft): string {
  const { key, ttl, from, except, conflate } = more
  return JSON.stringify([addressKey(address), kind, Buffer.from(data).toString(), key, ttl, from, except, conflate])
}

/** All pages of a reader of one address. */
export interface Reading {
  readonly gapUpTo: Offset
  /** Messages by the summary of the address. */
  readonly count: number
  readonly messages: ReadonlyArray<readonly [offset: Offset, content: string]>
}

/** The content of a log after its start. */
export interface LogContent {
  readonly head: Offset
  readonly of: Readonly<Record<AddressKey, Reading>>
  /** Values of the state by key; null for a missing value. */
  readonly values: Readonly<Record<string, string | null>>
}

/** Reads all messages and values of an engine. */
export async function readLog (engine: Engine): Promise<LogContent> {
  const { head } = engine
  const of: Record<AddressKey, Reading> = {}
  for (const address of ADDRESSES) of[addressKey(address)] = await readAddress(engine, address)
  const values: Record<string, string | null> = {}
  for (const key of STATE_KEYS) values[key] = (await engine.state.get([key]) ?? null) as string | null
  return { head, of, values }
}

async function readAddress (engine: Engine, address: Address): Promise<Reading> {
  const messages: Array<[Offset, string]> = []
  let gapUpTo = 0
  for (let after = 0; after < engine.head;) {
    const page = await engine.read([{ address, after }], { messages: 200, bytes: 200_000 })
    gapUpTo = Math.max(gapUpTo, page.gapUpTo)
    for (const message of page.messages) messages.push([message.offset, contentOf(message)])
    after = page.upTo
  }
  return { gapUpTo, count: (await engine.summary({ address, after: 0 })).count, messages }
}
