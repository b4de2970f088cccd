import type { StateKey } from '../../state.ts'

/** Escapes a part: slashes separate the parts. */
const escape = (part: string): string => part.replace(/[%/]/g, encodeURIComponent)

/** Encodes a key as one text: `inbox/bob/phone`. Different keys have different texts. */
export function encodeKey (key: StateKey): string {
  return key.map(escape).join('/')
}

/** Decodes the text of a key. */
export function decodeKey (text: string): StateKey {
  return text.split('/').map(decodeURIComponent)
}

/** Encodes the beginning of all keys below a parent; '' for all keys. */
export function encodeParent (parent: StateKey): string {
  return parent.length === 0 ? '' : `${encodeKey(parent)}/`
}
