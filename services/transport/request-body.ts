import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { HubError } from '../model/errors.ts'

/** Bytes of a body for one byte of the message in it: JSON may write a character of one byte as `\u0041`. */
const MAX_ESCAPED_BYTES = 6
/** Bytes of a body or a frame beside the message: names, white space, further fields. */
const ENVELOPE_BYTES = 4096

/** Largest JSON around a message in bytes, however the JSON escapes the message. */
export function envelopeBytes (maxMessageBytes: number): number {
  return maxMessageBytes * MAX_ESCAPED_BYTES + ENVELOPE_BYTES
}

/** The charset of a Content-Type (RFC 9110 section 8.3.2). */
const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]+)/i

/**
 * The text of a request body.
 *
 * @throws {HubError} HUB_CONTENT_TYPE_UNSUPPORTED for a body with a Content-Encoding or in another charset than UTF-8,
 * HUB_REQUEST_INVALID for bytes that are not UTF-8: they would reach the clients as other characters.
 */
export function bodyText (headers: IncomingHttpHeaders, body: Buffer): string {
  const encoding = headers['content-encoding'] ?? 'identity'
  if (body.length > 0 && encoding.trim().toLowerCase() !== 'identity') {
    const sentence = `Send the body without "Content-Encoding: ${encoding}"; the hub does not decode bodies.`
    throw new HubError('HUB_CONTENT_TYPE_UNSUPPORTED', sentence)
  }
  const [, charset = 'utf-8'] = CHARSET.exec(headers['content-type'] ?? '') ?? []
  if (!/^utf-?8$/i.test(charset)) {
    throw new HubError('HUB_CONTENT_TYPE_UNSUPPORTED', `Send the body in UTF-8, not in ${charset}.`)
  }
  if (!isUtf8(body)) throw new HubError('HUB_REQUEST_INVALID', 'The body is not UTF-8.')
  return body.toString()
}
