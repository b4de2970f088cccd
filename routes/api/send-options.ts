import type { IncomingHttpHeaders } from 'node:http'
import { HubError } from '../../services/model/errors.ts'
import type { SendOptions } from '../../services/model/message.ts'

const MAX_LENGTH = 256

/**
 * The options of a request that sends a message. The idempotency key may stand in the body as `key`, or in the header
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), there as it is or as a quoted string. Throws
 * HUB_REQUEST_INVALID when they say different things.
 */
export function sendOptionsOf ({ message: _message, ...options }: SendOptions & { readonly message?: unknown }, headers: IncomingHttpHeaders): SendOptions {
  const header = headers['idempotency-key']
  if (header === undefined) return options
  const text = typeof header === 'string' ? header.trim() : ''
  const key = text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
  if (key === '' || key.length > MAX_LENGTH) throw new HubError('HUB_REQUEST_INVALID', `The header Idempotency-Key must have 1 to ${MAX_LENGTH} characters.`)
  if (options.key !== undefined && options.key !== key) throw new HubError('HUB_REQUEST_INVALID', 'The header Idempotency-Key and the key of the body differ; send one of them.')
  return { ...options, key }
}
