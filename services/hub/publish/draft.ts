import { TypeCompiler } from '@sinclair/typebox/compiler'
import { HubError } from '../../model/errors.ts'
import { addressKey, assertAddress, payloadBytes, SendOptions } from '../../model/message.ts'
import type { Address, Draft, Payload, UserId } from '../../model/message.ts'

const sendOptionsCheck = TypeCompiler.Compile(SendOptions)

/**
 * Makes the draft of a message: checks address, options and size, and scopes the keys.
 *
 * @param maxBytes Largest payload in bytes.
 * @param from User who published the message, when a client did; undefined for a message of the application.
 * @throws {HubError} HUB_ADDRESS_INVALID when the address has a wrong form.
 * @throws {HubError} HUB_REQUEST_INVALID when an option is unknown or has a wrong value.
 * @throws {HubError} HUB_MESSAGE_TOO_LARGE when the payload has more than `maxBytes`.
 */
export function toDraft (
  address: Address,
  payload: Payload,
  options: SendOptions,
  maxBytes: number,
  from?: UserId
): Draft {
  assertAddress(address)
  if (!sendOptionsCheck.Check(options)) {
    const fault = sendOptionsCheck.Errors(options).First()
    throw new HubError('HUB_REQUEST_INVALID', `options${fault?.path ?? ''}: ${fault?.message ?? 'do not fit'}`)
  }
  if (payloadBytes(payload) > maxBytes) {
    throw new HubError('HUB_MESSAGE_TOO_LARGE', `The message is larger than ${maxBytes} bytes; send less, or raise websocket.maxMessageSize.`)
  }
  const { key, conflate, except, ttl, keep } = options
  // Idempotency and conflation keys apply to one address, so that one call may publish to several addresses.
  const scoped = (word: string | undefined): string | undefined =>
    word === undefined ? undefined : JSON.stringify([addressKey(address), word])
  // A copy, because the caller may reuse the list before the message is delivered.
  const excluded = except === undefined ? undefined : [...except]
  return { address, payload, from, except: excluded, ttl, keep, key: scoped(key), conflate: scoped(conflate) }
}
