import { TypeCompiler } from '@sinclair/typebox/compiler'
import { HubError } from '../../model/errors.ts'
import { addressKey, assertAddress, payloadBytes, SendOptions, type Address, type Draft, type Payload, type UserId } from '../../model/message.ts'

const sendOptions = TypeCompiler.Compile(SendOptions)

/**
 * Checks what an application wants to say and makes it ready for the engine. Throws a HubError: HUB_ADDRESS_INVALID,
 * HUB_REQUEST_INVALID for options that do not fit, HUB_MESSAGE_TOO_LARGE. `from`: the user who says it, when a client does.
 */
export function toDraft (address: Address, payload: Payload, options: SendOptions, maxBytes: number, from?: UserId): Draft {
  assertAddress(address)
  if (!sendOptions.Check(options)) {
    const fault = sendOptions.Errors(options).First()
    throw new HubError('HUB_REQUEST_INVALID', `options${fault?.path ?? ''}: ${fault?.message ?? 'do not fit'}`)
  }
  if (payloadBytes(payload) > maxBytes) {
    throw new HubError('HUB_MESSAGE_TOO_LARGE', `The message is larger than ${maxBytes} bytes; send less, or raise websocket.maxMessageSize.`)
  }
  const { key, conflate, except, ttl, keep } = options
  // Both speak for one address, so that one call may name several.
  const scoped = (word: string | undefined) => word === undefined ? undefined : JSON.stringify([addressKey(address), word])
  // A copy: the caller may use its list again, and the message goes out later.
  const leftOut = except === undefined ? undefined : [...except]
  return { address, payload, from, except: leftOut, ttl, keep, key: scoped(key), conflate: scoped(conflate) }
}
