import { addressKey, type AddressKey, type Message } from '../../model/message.ts'
import { encodeMessage } from './codec.ts'
import { encodeText } from '../local/text.ts'
import { expiryOf, retentionClassOf, type RetentionClass } from '../local/retention.ts'

/** A message to store. */
export interface Entry {
  readonly message: Message
  readonly key: AddressKey
  readonly address: Buffer
  readonly shelf: RetentionClass
  /** The expiry time of the message, in ms since the epoch. */
  readonly until: number
  readonly value: Buffer
  /** The approximate size of the message in the store. */
  readonly bytes: number
}

export function toEntry (message: Message): Entry {
  const key = addressKey(message.address)
  const address = encodeText(key)
  const until = expiryOf(message)
  const value = encodeMessage(message, until)
  return { message, key, address, shelf: retentionClassOf(message.address), until, value, bytes: costOf(address.length, value.length) }
}

const PAGE_BYTES = 4096
/** A value above about half a page occupies pages of its own. */
const LARGE_VALUE = 2000
/** For two entries: the bytes of a key beside the address, and the overhead of lmdb. */
const ENTRY_BYTES = 56
/** The average fill of a page. Pages are not full: entries are added in the middle and removed at the front. */
const FILL = 0.5

function costOf (addressBytes: number, valueBytes: number): number {
  const isLarge = valueBytes > LARGE_VALUE
  const inPages = ENTRY_BYTES + 2 * addressBytes + (isLarge ? 0 : valueBytes)
  return Math.ceil(inPages / FILL) + (isLarge ? Math.ceil((valueBytes + 32) / PAGE_BYTES) * PAGE_BYTES : 0)
}
