import type { DeflateOptions } from './deflate.ts'
import type { Protocol } from './protocol.ts'
import { createDeflatedRaw, createRaw, raw, RAW_SUBPROTOCOL, type GreetingCode } from './raw.ts'
import { createDeflatedWebPubSub, webPubSub, WEB_PUBSUB_SUBPROTOCOLS } from './web-pubsub.ts'

/** The subprotocols that a client may offer; of several, the first of this list is chosen. */
export const SUBPROTOCOLS: readonly string[] = [...WEB_PUBSUB_SUBPROTOCOLS, RAW_SUBPROTOCOL]

/** Finds the protocol for what was negotiated. */
export type ProtocolChoice = (subprotocol: string, isDeflated: boolean) => Protocol

/** The protocols that a WebSocket may speak: without a subprotocol, raw, which greets with this code. */
export function createProtocols (deflate: DeflateOptions, greetingCode?: GreetingCode): ProtocolChoice {
  const plain = { raw: greetingCode === undefined ? raw : createRaw(greetingCode), named: webPubSub }
  const deflated = { raw: createDeflatedRaw(deflate, greetingCode), named: createDeflatedWebPubSub(deflate) }
  return (subprotocol, isDeflated) => {
    const { raw, named } = isDeflated ? deflated : plain
    return named.get(subprotocol) ?? raw
  }
}
