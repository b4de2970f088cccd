import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { HubError } from '../../model/errors.ts'

/** Bytes of a body for one byte of the message in it: JSON may write a character of one byte as `\u0041`. */
const MAX_ESCAPED_BYTES = 6
/** Bytes of a body or a frame beside the message: names, white space, further fields. */
const ENVELOPE_BYTES = 4096

/** Largest JSON around a message in bytes, however the JSON escapes the message. */
export function envelopeBytes (maxMessageBytes: number): number {
  return maxMessageBytes * MAX_ESCAPED_BYTES + ENVELOPE_BYTES
}

/**
 * Reads the bytes of a request body.
 *
 * @throws {HubError} HUB_MESSAGE_TOO_LARGE for a body of more than `maxBytes`, at once where its length is announced.
 */
export async function readBytes (headers: IncomingHttpHeaders, body: Readable, maxBytes: number): Promise<Buffer> {
  const tooLarge = new HubError('HUB_MESSAGE_TOO_LARGE', `The request body is larger than ${maxBytes} bytes.`)
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge
  const chunks: Buffer[] = []
  let length = 0
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer | string): void => {
      length += Buffer.byteLength(chunk)
      chunks.push(Buffer.from(chunk))
      if (length <= maxBytes) return
      // The stream flows on without a listener: its further bytes are dropped.
      body.off('data', onData)
      chunks.length = 0
      reject(tooLarge)
    }
    body.on('data', onData)
    body.once('end', () => resolve(Buffer.concat(chunks)))
    body.once('error', reject)
    body.once('close', () => reject(new HubError('HUB_REQUEST_INVALID', 'The request ended before its body.')))
  })
}

/**
 * Checks that a body is sent as JSON.
 *
 * @throws {HubError} HUB_CONTENT_TYPE_UNSUPPORTED
 */
export function assertJsonType ({ 'content-type': type = '' }: IncomingHttpHeaders): void {
  if (/^\s*application\/json\s*(;|$)/i.test(type)) return
  throw new HubError('HUB_CONTENT_TYPE_UNSUPPORTED', 'Send the body as JSON, with "Content-Type: application/json".')
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
