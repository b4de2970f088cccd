import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { HubError } from './errors.ts'

/** Characters that an id may have. */
export const MAX_ID_LENGTH = 256
/** Whole characters of Unicode: half a surrogate pair has no UTF-8, so two such ids could become one on disk. */
export const WELL_FORMED = '^(?:[^\\uD800-\\uDFFF]|[\\uD800-\\uDBFF][\\uDC00-\\uDFFF])+$'
/** Ids of users, groups and clients. */
export const Id = Type.String({ minLength: 1, maxLength: MAX_ID_LENGTH, pattern: WELL_FORMED })
const CLOSED = { additionalProperties: false }

/** Everyone. */
export const ToAll = Type.Object({ all: Type.Literal(true) }, CLOSED)
/** One user, on all devices. */
export const ToUser = Type.Object({ user: Id }, CLOSED)
/** The members of one group. */
export const ToGroup = Type.Object({ group: Id }, CLOSED)
/** One connection. */
export const ToClient = Type.Object({ client: Id }, CLOSED)

/** Whom a message is for: `{ all: true }`, `{ user }`, `{ group }` or `{ client }`. */
export const Address = Type.Union([ToAll, ToUser, ToGroup, ToClient])
export type Address = Static<typeof Address>

const addresses = TypeCompiler.Compile(Address)

/** Throws HUB_ADDRESS_INVALID for what is no address. */
export function assertAddress (address: Address): void {
  if (addresses.Check(address)) return
  throw new HubError('HUB_ADDRESS_INVALID', `An address is { all: true }, { user }, { group } or { client }, with an id of 1 to ${MAX_ID_LENGTH} characters, none of them half a surrogate pair.`)
}

/** The id of one live connection. Later connections have greater ids. */
export type ClientId = string
/** The id of a user: the `sub` of the token. */
export type UserId = string
/** The name of a group. */
export type Group = string
/** A message's place in the log: strictly rising, never reused, below 2^53; gaps are normal. */
export type Offset = number

/** An address as one string, for Maps: `all`, `user:bob`, `group:news`, `client:…`. */
export type AddressKey = string

/** The Map key of an address. */
export function addressKey (address: Address): AddressKey {
  if ('user' in address) return `user:${address.user}`
  if ('group' in address) return `group:${address.group}`
  if ('client' in address) return `client:${address.client}`
  return 'all'
}

/** How a payload reaches a raw client: `text` and `json` as a text frame, `binary` as a binary frame. */
export type Payload =
  | { readonly kind: 'text' | 'json', readonly data: string }
  | { readonly kind: 'binary', readonly data: Uint8Array }

/** What may accompany a message on its way. */
export const SendOptions = Type.Object({
  key: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'Idempotency key: the same key to the same address within the window answers with the first receipt and sends nothing' })),
  except: Type.Optional(Type.Array(Id, { maxItems: 1000, description: 'Ids of clients that must not get it, most often the one it came from' })),
  ttl: Type.Optional(Type.Number({ exclusiveMinimum: 0, description: 'Seconds for which the log may hand it out; without it the limits of the log decide' })),
  conflate: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'What it is the latest state of: with slowClient latest, a newer message with the same word to the same address takes its place while it waits' })),
  keep: Type.Optional(Type.Boolean({ description: 'false keeps it out of the log: whoever cannot take it now misses it' }))
}, CLOSED)
export type SendOptions = Static<typeof SendOptions>

/** A message before the engine has given it an offset. */
export interface Draft {
  readonly address: Address
  readonly payload: Payload
  readonly key?: string | undefined
  readonly except?: readonly ClientId[] | undefined
  readonly ttl?: number | undefined
  readonly conflate?: string | undefined
  readonly keep?: boolean | undefined
  /** The user who said it, when it came from a client. */
  readonly from?: UserId | undefined
}

/** Something said through the hub: immutable, and the same object for all clients of this node. */
export interface Message extends Draft {
  readonly offset: Offset
}

/** What became of a message, counted when its bytes had been offered to every live client it is for. */
export const Receipt = Type.Object({
  offset: Type.Integer({ description: 'Place in the log' }),
  duplicate: Type.Boolean({ description: 'The key was used before: nothing was sent, the counts are those of the first time' }),
  stored: Type.Boolean({ description: 'Whether the log has it, as durably as the engine can make it: whoever is away or behind can still get it' }),
  matched: Type.Integer({ description: 'Live clients it is for' }),
  written: Type.Integer({ description: 'Clients for which the operating system has taken all its bytes' }),
  behind: Type.Integer({ description: 'Clients for which some of it still waits: matched - written - dropped' }),
  dropped: Type.Integer({ description: 'Clients that lost it because they were over their limit' })
}, { description: 'What became of a message' })
export type Receipt = Static<typeof Receipt>

/**
 * The payload of anything an application sends: a string goes out as text, a Uint8Array as binary, everything else as
 * its JSON. Throws HUB_REQUEST_INVALID for what JSON cannot say (`undefined`, functions, cycles, bigint).
 */
export function toPayload (message: unknown): Payload {
  if (typeof message === 'string') return { kind: 'text', data: message }
  // A copy: the caller may use its buffer again, the log must not change.
  if (message instanceof Uint8Array) return { kind: 'binary', data: Buffer.from(message) }
  try {
    const data = JSON.stringify(message) as string | undefined
    if (data !== undefined) return { kind: 'json', data }
  } catch (cause) {
    throw new HubError('HUB_REQUEST_INVALID', 'A message must be a string, a Uint8Array or a JSON value; this one has a cycle, a bigint, or is nested too deeply.', { cause })
  }
  throw new HubError('HUB_REQUEST_INVALID', `A message must be a string, a Uint8Array or a JSON value, not ${typeof message}.`)
}

/** Bytes of a payload on the wire, without framing. */
export function payloadBytes (payload: Payload): number {
  return typeof payload.data === 'string' ? Buffer.byteLength(payload.data) : payload.data.byteLength
}
