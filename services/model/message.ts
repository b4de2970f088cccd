import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { HubError } from './errors.ts'
import { HALF_PAIR, toJson } from './json.ts'
import type { WithUndefined } from './optional.ts'

/** Characters of an id at most. */
export const MAX_ID_LENGTH = 256
/**
 * Pattern of an id: whole Unicode characters. A lone surrogate has no UTF-8 form, so two ids with lone surrogates could
 * become the same key on disk.
 */
export const WELL_FORMED = '^(?:[^\\uD800-\\uDFFF]|[\\uD800-\\uDBFF][\\uDC00-\\uDFFF])+$'
/** Schema of an id of a user, group or client: 1 to 256 characters. */
export const Id = Type.String({ minLength: 1, maxLength: MAX_ID_LENGTH, pattern: WELL_FORMED })
const CLOSED = { additionalProperties: false }

/** Address of all connected clients. */
const ToAll = Type.Object({ all: Type.Literal(true) }, CLOSED)
/** Address of one user, on all devices. */
const ToUser = Type.Object({ user: Id }, CLOSED)
/** Address of the members of one group. */
const ToGroup = Type.Object({ group: Id }, CLOSED)
/** Address of one connection. */
const ToClient = Type.Object({ client: Id }, CLOSED)

/**
 * The recipients of a message: `{ all: true }`, `{ user }`, `{ group }` or `{ client }`. Ids have 1 to 256 characters.
 */
export const Address = Type.Union([ToAll, ToUser, ToGroup, ToClient])
export type Address = Static<typeof Address>

const addressCheck = TypeCompiler.Compile(Address)
const isAddress = (value: unknown): value is Address => addressCheck.Check(value)

/**
 * Checks an address that an application passes.
 *
 * @throws {HubError} HUB_ADDRESS_INVALID for a value of another shape.
 */
export function assertAddress (address: Address): void {
  if (isAddress(address)) return
  const sentence = 'An address is { all: true }, { user }, { group } or { client }, ' +
    `with an id of 1 to ${MAX_ID_LENGTH} characters, none of them half a surrogate pair.`
  throw new HubError('HUB_ADDRESS_INVALID', sentence)
}

/** The id of one live connection. Later connections have greater ids. */
export type ClientId = string
/** The id of a user: the `sub` claim of the token. */
export type UserId = string
/** The name of a group. */
export type Group = string
/** The position of a message in the log: strictly rising, never reused, below 2^53. The numbers are not consecutive. */
export type Offset = number

/** An address as a Map key: `all`, `user:bob`, `group:news`, `client:…`. */
export type AddressKey = string

/** The Map key of an address. Different addresses have different keys. */
export function addressKey (address: Address): AddressKey {
  if ('user' in address) return `user:${address.user}`
  if ('group' in address) return `group:${address.group}`
  if ('client' in address) return `client:${address.client}`
  return 'all'
}

/** The content of a message. A raw client receives `text` and `json` as a text frame, `binary` as a binary frame. */
export type Payload =
  | { readonly kind: 'text' | 'json', readonly data: string }
  | { readonly kind: 'binary', readonly data: Uint8Array }

/**
 * Options of a publish, all optional:
 *
 * - `key`: idempotency key, 1 to 256 characters. The same key with the same message to the same address within the
 *   window of the log returns the first receipt and publishes no second message.
 * - `except`: ids of clients that must not receive the message, at most 1000.
 * - `ttl`: seconds for which the log may deliver the message; by default the limits of the log decide.
 * - `conflate`: name of the value that the message updates, 1 to 256 characters. With `slowClient: latest`, a newer
 *   message with the same name and address replaces the older one in the queue of a slow client.
 * - `keep`: false keeps the message out of the log, so that clients that are away or behind miss the message; true by
 *   default.
 */
export const SendOptions = Type.Object({
  key: Type.Optional(Type.String({
    minLength: 1,
    maxLength: 256,
    description: 'Idempotency key: the same key to the same address within the window returns the first receipt and ' +
      'publishes nothing'
  })),
  except: Type.Optional(Type.Array(Id, {
    maxItems: 1000,
    description: 'Ids of clients that must not receive the message, most often the sender'
  })),
  ttl: Type.Optional(Type.Number({
    exclusiveMinimum: 0,
    description: 'Seconds for which the log may deliver the message; without it the limits of the log decide'
  })),
  conflate: Type.Optional(Type.String({
    minLength: 1,
    maxLength: 256,
    description: 'Name of the value that the message updates: with slowClient latest, a newer message with the same name ' +
      'to the same address replaces a queued one'
  })),
  keep: Type.Optional(Type.Boolean({
    description: 'false keeps the message out of the log: clients that are away or behind miss it'
  }))
}, CLOSED)
export type SendOptions = WithUndefined<Static<typeof SendOptions>>

/** A message before the engine assigns an offset. */
export interface Draft {
  readonly address: Address
  readonly payload: Payload
  readonly key?: string | undefined
  readonly except?: readonly ClientId[] | undefined
  /** In seconds. */
  readonly ttl?: number | undefined
  readonly conflate?: string | undefined
  /** False keeps the message out of the log. */
  readonly keep?: boolean | undefined
  /** The user who sent the message; absent when the application published it. */
  readonly from?: UserId | undefined
}

/** A published message: immutable, and the same object for all clients of this node. */
export interface Message extends Draft {
  readonly offset: Offset
  /** Time of publishing, in ms since the epoch. */
  readonly at: number
}

/**
 * The result of a publish, resolved when the log has stored the message and every live client that it is for has been
 * offered its bytes:
 *
 * - `offset`: position of the message in the log.
 * - `duplicate`: true when the idempotency key was used before. No message was published, and the counts are the first
 *   ones.
 * - `stored`: whether the log holds the message, as durably as the engine can make it, for clients that are away or
 *   behind.
 * - `matched`: live clients that the message is for.
 * - `written`: of these, clients whose bytes the operating system has taken completely.
 * - `behind`: of these, clients for which bytes are still queued: `matched - written - dropped`.
 * - `dropped`: of these, clients that lost the message because they were over their limit.
 */
export const Receipt = Type.Object({
  offset: Type.Integer({ description: 'Position of the message in the log' }),
  duplicate: Type.Boolean({
    description: 'The key was used before: nothing was published, the counts are those of the first time'
  }),
  stored: Type.Boolean({
    description: 'Whether the log holds the message, as durably as the engine can make it: clients that are away or ' +
      'behind can still receive it'
  }),
  matched: Type.Integer({ description: 'Live clients that the message is for' }),
  written: Type.Integer({ description: 'Clients whose bytes the operating system has taken completely' }),
  behind: Type.Integer({ description: 'Clients for which bytes are still queued: matched - written - dropped' }),
  dropped: Type.Integer({ description: 'Clients that lost the message because they were over their limit' })
}, { description: 'The result of a publish' })
export type Receipt = Static<typeof Receipt>

/**
 * The payload for a message of an application: a string becomes text, a Uint8Array binary, a `JsonText` its text, every
 * other value its JSON.
 *
 * @throws {HubError} HUB_REQUEST_INVALID for a value that would arrive changed or not at all: without JSON
 * (`undefined`, a function, a cycle, a bigint), with NaN or Infinity, nested too deeply, or a string with half of a
 * surrogate pair.
 */
export function toPayload (message: unknown): Payload {
  if (typeof message === 'string') {
    if (!message.isWellFormed()) throw new HubError('HUB_REQUEST_INVALID', HALF_PAIR)
    return { kind: 'text', data: message }
  }
  // A copy: the caller may reuse its buffer, and a message in the log must not change.
  if (message instanceof Uint8Array) return { kind: 'binary', data: Buffer.from(message) }
  return { kind: 'json', data: toJson(message) }
}

/** Bytes of a payload on the wire, without framing. */
export function payloadBytes (payload: Payload): number {
  return typeof payload.data === 'string' ? Buffer.byteLength(payload.data) : payload.data.byteLength
}

/** The base64 of a binary payload (RFC 4648 section 4), for protocols that carry text only. Does not copy the bytes. */
export function toBase64 ({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64')
}
