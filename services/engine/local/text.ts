const ESCAPE = '\uFFFF'
const EVERY_ODD = /[\uFFFF\p{Surrogate}]/gu

/**
 * Encodes a text as bytes. Unlike plain UTF-8, the encoding keeps ill-formed texts distinct, such as a lone surrogate.
 */
export function encodeText (text: string): Buffer {
  if (isPlain(text)) return Buffer.from(text)
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
  return isPlain(text) ? Buffer.byteLength(text) : encodeText(text).length
}

/** Whether the encoding of a text is plain UTF-8. Much faster than a search with the expression above. */
function isPlain (text: string): boolean {
  return text.isWellFormed() && !text.includes(ESCAPE)
}
