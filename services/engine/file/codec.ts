import type { AddressKey, Message, Offset } from '../../model/message.ts'
import type { NewRecord } from '../local/index/index-record.ts'
import { addressOf, decodeOptions, MESSAGE_BYTES } from '../local/message-form.ts'
import type { MessageForm } from '../local/payloads.ts'
import type { IdempotencyRecord } from '../local/idempotency.ts'
import { expiryOf } from '../local/retention.ts'
import { decodeText, encodeText } from '../local/text.ts'
import type { Value } from '../local/state/values.ts'
import {
  encodeRecord, KIND, RECORD_BYTES, recordKind, recordLength, recordName, recordOffset, recordParts, recordTime,
  recordUntil, type Kind
} from './journal/format.ts'

// The content of the records of a log: what the bytes of names, options and payloads mean.

const NO_NAME = Buffer.alloc(0)
const PAYLOAD_KIND = { text: KIND.text, json: KIND.json, binary: KIND.binary } as const

/** Encodes a message. */
export function encodeMessage (message: Message, { name, options }: MessageForm): Buffer {
  const { offset, at, payload } = message
  return encodeRecord({
    kind: PAYLOAD_KIND[payload.kind],
    offset,
    at,
    until: expiryOf(message),
    name: encodeText(name),
    options,
    payload: payload.data
  })
}

/** Decodes the message at an index of a buffer. The payload of a binary message is a view of the buffer. */
export function decodeMessage (bytes: Buffer, at: number): Message {
  const { name, options, payload } = recordParts(bytes, at)
  const kind = recordKind(bytes, at)
  return {
    offset: recordOffset(bytes, at),
    at: recordTime(bytes, at),
    ...decodeOptions(options.toString()),
    address: addressOf(decodeText(name)),
    payload: kind === KIND.binary
      ? { kind: 'binary', data: payload }
      : { kind: kind === KIND.json ? 'json' : 'text', data: payload.toString() }
  }
}

/** A name with its record's own fields; the other fields are of no use for the kind. */
function encode (kind: Kind, offset: Offset, { name = '', at = 0, until = Infinity, options = '', payload = '' }: {
  readonly name?: string
  readonly at?: number
  readonly until?: number
  readonly options?: string
  readonly payload?: string | Uint8Array
}): Buffer {
  return encodeRecord({ kind, offset, at, until, name: name === '' ? NO_NAME : encodeText(name), options, payload })
}

/**
 * Encodes the use of an idempotency key.
 *
 * @param until End of the idempotency window, in ms since the epoch.
 */
export function encodeKeyUse (
  key: string, { offset, until, digest }: { readonly offset: Offset, readonly until: number, readonly digest: Buffer },
  isStored: boolean
): Buffer {
  return encode(KIND.keyUse, offset, { name: key, until, options: isStored ? 'stored' : '', payload: digest })
}

/** Decodes the use of an idempotency key. */
export function decodeKeyUse (bytes: Buffer, at: number): [key: string, record: IdempotencyRecord] {
  const { options, payload } = recordParts(bytes, at)
  const [offset, until] = [recordOffset(bytes, at), recordUntil(bytes, at)]
  return [nameOf(bytes, at), { offset, until, digest: Buffer.from(payload), stored: options.length > 0 }]
}

/** Encodes a purge of an address: its messages below the offset are gone. */
export function encodePurge (name: AddressKey, offset: Offset, at: number): Buffer {
  return encode(KIND.purge, offset, { name, at })
}

/** Encodes messages of an address that the log does not have: their number, and the greatest offset. */
export function encodeLoss (name: AddressKey, upTo: Offset, count: number): Buffer {
  return encode(KIND.loss, upTo, { name, payload: String(count) })
}

/** Encodes a gap up to an offset for every address. */
export function encodeDoubt (upTo: Offset): Buffer {
  return encode(KIND.doubt, upTo, {})
}

/** Encodes a value of the state; null for a removal. */
export function encodeValue (text: string, value: Value | null): Buffer {
  if (value === null) return encode(KIND.removal, 0, { name: text })
  return encode(KIND.value, 0, { name: text, until: value.until, payload: value.json })
}

/** Decodes a value of the state. */
export function decodeValue (bytes: Buffer, at: number): Value {
  return { json: recordParts(bytes, at).payload.toString(), until: recordUntil(bytes, at) }
}

/** Encodes all evictions of an address. */
export function encodeEvicted (name: AddressKey, upTo: Offset, count: number): Buffer {
  return encode(KIND.evicted, upTo, { name, payload: String(count) })
}

/** Encodes the bound of the dropped tombstones of a kind of address. */
export function encodeDropped (kind: number, upTo: Offset): Buffer {
  return encode(KIND.dropped, upTo, { payload: String(kind) })
}

/** A segment as a checkpoint describes it. */
export interface SegmentNote {
  readonly id: number
  /** Greatest offset in the segment and its predecessors. */
  readonly lastOffset: Offset
  /** Records of a sealed segment; null for an unsealed one. */
  readonly count: number | null
}

/**
 * Encodes which records of a segment are alive: one bit for each record of a sealed segment, in the order of its
 * footer; the offsets of the living records (f64, little endian) of an unsealed one.
 */
export function encodeSegmentNote (note: SegmentNote, living: Uint8Array | Float64Array): Buffer {
  const payload = new Uint8Array(living.buffer, living.byteOffset, living.byteLength)
  return encode(KIND.living, note.lastOffset, { options: JSON.stringify(note), payload })
}

/** Encodes bytes without a meaning. */
export function encodePadding (bytes: number): Buffer {
  return encode(KIND.padding, 0, { payload: Buffer.alloc(bytes) })
}

/** Encodes the end of a checkpoint. `asOf`: the offset of the last record whose effects the checkpoint has. */
export function encodeEnd (asOf: Offset, count: number): Buffer {
  return encode(KIND.end, asOf, { payload: String(count) })
}

/** The record of a message for the index. */
export function indexRecordOf (bytes: Buffer, at: number, position: number): NewRecord {
  return {
    offset: recordOffset(bytes, at),
    at: recordTime(bytes, at),
    until: recordUntil(bytes, at),
    bytes: recordLength(bytes, at) - RECORD_BYTES + MESSAGE_BYTES,
    position
  }
}

/** The name of a record as text. */
export function nameOf (bytes: Buffer, at: number): string {
  return decodeText(recordName(bytes, at))
}

/** The payload of a record as a number. */
export function numberOf (bytes: Buffer, at: number): number {
  return Number(recordParts(bytes, at).payload.toString())
}
