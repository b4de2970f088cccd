import { createDeflatingEncoder, type DeflateOptions } from './deflate.ts'
import type { Protocol } from './protocol.ts'
import { createRaw, raw, RAW_SUBPROTOCOL } from './raw.ts'
import { createWebPubSub, webPubSub, WEB_PUBSUB_SUBPROTOCOLS } from './web-pubsub.ts'

/** The WebSocket subprotocols of the hub, best first: of several offers the hub chooses the first of this list. */
export const SUBPROTOCOLS: readonly string[] = [...WEB_PUBSUB_SUBPROTOCOLS, RAW_SUBPROTOCOL]

/**
 * Finds the protocol for a negotiated subprotocol, '' without one, and for whether permessage-deflate was negotiated.
 */
export type ProtocolChoice = (subprotocol: string, isDeflated: boolean) => Protocol

/**
 * Creates the protocols of a WebSocket endpoint, each plain and deflated. Endpoints share the plain ones, so that a
 * message is encoded once for all of them.
 *
 * @param greeting Text of the first frame on a raw connection; by default `{"code":2000,"msg":"ws连接成功","data":""}`.
 */
export function createProtocols (deflate: DeflateOptions, greeting?: string): ProtocolChoice {
  const encodeDeflated = createDeflatingEncoder(deflate)
  const plain = { raw: greeting === undefined ? raw : createRaw(greeting), webPubSub }
  const deflated = { raw: createRaw(greeting, encodeDeflated), webPubSub: createWebPubSub(encodeDeflated) }
  return (subprotocol, isDeflated) => {
    const protocols = isDeflated ? deflated : plain
    return protocols.webPubSub.get(subprotocol) ?? protocols.raw
  }
}
