import type { Address, AddressKey, Message } from '../../model/message.ts'

/** Bytes of a message in the log beside its payload, its options and the key of its address. */
export const MESSAGE_BYTES = 64

/** The fields of a message that are kept as options. */
type Options = Pick<Message, 'key' | 'except' | 'ttl' | 'conflate' | 'keep' | 'from'>

/** Encodes the options of a message as JSON; an empty text for a message without options. */
export function encodeOptions ({ key, except, ttl, conflate, keep, from }: Message): string {
  const hasOptions = key !== undefined || except !== undefined || ttl !== undefined || conflate !== undefined ||
    keep !== undefined || from !== undefined
  return hasOptions ? JSON.stringify({ key, except, ttl, conflate, keep, from }) : ''
}

/** Decodes the options of a message. */
export function decodeOptions (json: string): Options {
  return json === '' ? {} : JSON.parse(json) as Options
}

/** The address of an address key. */
export function addressOf (key: AddressKey): Address {
  const id = key.slice(key.indexOf(':') + 1)
  if (key.startsWith('user:')) return { user: id }
  if (key.startsWith('group:')) return { group: id }
  if (key.startsWith('client:')) return { client: id }
  return { all: true }
}
