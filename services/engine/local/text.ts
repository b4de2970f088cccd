const ESCAPE = '\uFFFF'
const ODD = /[\uFFFF\p{Surrogate}]/u
const EVERY_ODD = new RegExp(ODD, 'gu')

/**
 * Encodes a text as bytes. Unlike plain UTF-8, the encoding keeps ill-formed texts distinct, such as a lone surrogate.
 */
export function encodeText (text: string): Buffer {
  if (!ODD.test(text)) return Buffer.from(text)
  return Buffer.from(text.replace(EVERY_ODD, (odd) => ESCAPE + odd.charCodeAt(0).toString(16).padStart(4, '0')))
}

/** Decodes bytes from `encodeText`. */
export function decodeText (bytes: Buffer): string {
  const text = bytes.toString()
  if (!text.includes(ESCAPE)) return text
  return text.replace(/\uFFFF(....)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}

/** Bytes of a text from `encodeText`. */
export function textBytes (text: string): number {
  return ODD.test(text) ? encodeText(text).length : Buffer.byteLength(text)
}
