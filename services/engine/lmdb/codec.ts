import type { Address, Message, Offset, Payload } from '../../model/message.ts'
import { timeOf } from './time.ts'

const KINDS: ReadonlyArray<Payload['kind']> = ['text', 'json', 'binary']
/** The expiry time, the kind of the payload, and the length of the options between this head and the payload. */
const HEAD_BYTES = 13

/** Encodes a message as a stored value: its expiry time, then all fields that its key does not contain. */
export function encodeMessage ({ address: _address, offset: _offset, at: _at, payload, ...more }: Message, until: number): Buffer {
  const json = JSON.stringify(more)
  const options = Buffer.from(json === '{}' ? '' : json)
  const data = typeof payload.data === 'string' ? Buffer.from(payload.data) : payload.data
  const value = Buffer.allocUnsafe(HEAD_BYTES + options.length + data.length)
  value.writeDoubleBE(until)
  value.writeUInt8(KINDS.indexOf(payload.kind), 8)
  value.writeUInt32BE(options.length, 9)
  value.set(options, HEAD_BYTES)
  value.set(data, HEAD_BYTES + options.length)
  return value
}

/** Returns the expiry time of a stored message, in ms since the epoch. */
export function endOfMessage (value: Buffer): number {
  return value.readDoubleBE()
}

export function decodeMessage (address: Address, offset: Offset, value: Buffer): Message {
  const start = HEAD_BYTES + value.readUInt32BE(9)
  const options = start === HEAD_BYTES ? {} : JSON.parse(value.toString('utf8', HEAD_BYTES, start)) as Partial<Message>
  const kind = KINDS[value.readUInt8(8)] ?? 'binary'
  const data = value.subarray(start)
  return { ...options, address, offset, at: timeOf(offset), payload: kind === 'binary' ? { kind, data } : { kind, data: data.toString() } }
}
