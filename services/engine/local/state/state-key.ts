import { HubError } from '../../../model/errors.ts'
import type { StateKey } from '../../state.ts'
import { textBytes } from '../text.ts'

/** Bytes of an encoded key at most: enough for the longest ids of a user and a device. */
const MAX_KEY_BYTES = 4096

/** Escapes a part: slashes separate the parts. */
const escape = (part: string): string => part.replace(/[%/]/g, encodeURIComponent)

/**
 * Encodes a key as one text: `inbox/bob/phone`. Different keys have different texts.
 *
 * @throws {HubError} HUB_REQUEST_INVALID for a key of more than 4096 bytes.
 */
export function encodeKey (key: StateKey): string {
  const text = key.map(escape).join('/')
  const bytes = textBytes(text)
  if (bytes <= MAX_KEY_BYTES) return text
  const sentence = `A key of the state may have ${MAX_KEY_BYTES} bytes; this one has ${bytes}.`
  throw new HubError('HUB_REQUEST_INVALID', sentence)
}

/** Decodes the text of a key. */
export function decodeKey (text: string): StateKey {
  return text.split('/').map(decodeURIComponent)
}

/** Encodes the beginning of all keys below a parent; '' for all keys. */
export function encodeParent (parent: StateKey): string {
  return parent.length === 0 ? '' : `${encodeKey(parent)}/`
}
