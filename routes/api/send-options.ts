import type { IncomingHttpHeaders } from 'node:http'
import { HubError } from '../../services/model/errors.ts'
import type { SendOptions } from '../../services/model/message.ts'

/** Maximum length of an idempotency key, in characters. */
const MAX_KEY_LENGTH = 256

type PublishBody = SendOptions & { readonly message?: unknown }

/**
 * Returns the send options of a request that publishes. The idempotency key is the field `key` of the body, or the
 * header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) as plain text or as a quoted string.
 *
 * @throws {HubError} HUB_REQUEST_INVALID when header and body have different keys, or the header has no valid key.
 */
export function sendOptionsOf (
  { message: _message, ...options }: PublishBody,
  headers: IncomingHttpHeaders
): SendOptions {
  const header = headers['idempotency-key']
  if (header === undefined) return options
  const text = typeof header === 'string' ? header.trim() : ''
  const key = text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
  if (key === '' || key.length > MAX_KEY_LENGTH) {
    throw new HubError('HUB_REQUEST_INVALID', `The header Idempotency-Key must have 1 to ${MAX_KEY_LENGTH} characters.`)
  }
  if (options.key !== undefined && options.key !== key) {
    throw new HubError('HUB_REQUEST_INVALID', 'The header Idempotency-Key and the key of the body differ; send one of them.')
  }
  return { ...options, key }
}
