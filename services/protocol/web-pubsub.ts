import type { Payload } from '../model/message.ts'
import { createDeflatingEncoder, type DeflateOptions } from './deflate.ts'
import { OPCODE, encodeFrame, encodeProbe, ping, type FrameEncoder } from './frame.ts'
import type { CommandWithReply, CommandResult, Protocol } from './protocol.ts'
import { decodeRequest } from './web-pubsub-requests.ts'

/** Whether messages carry a sequenceId to acknowledge and to resume from, by subprotocol. Published clients know the first two names, `hub` is our own. */
const IS_RELIABLE = {
  'json.reliable.webpubsub.azure.v1': true,
  'json.webpubsub.azure.v1': false,
  'json.reliable.hub.v1': true,
  'json.hub.v1': false
} as const

/** The name of one of these subprotocols. */
export type WebPubSubSubprotocol = keyof typeof IS_RELIABLE

/** The subprotocols that a client may offer, what suits it best first. */
export const WEB_PUBSUB_SUBPROTOCOLS = Object.keys(IS_RELIABLE) as WebPubSubSubprotocol[]

/** What errors are called there. Clients take `Duplicate` for success and may repeat after everything else. */
const ERROR_NAMES = new Map([
  ['HUB_FORBIDDEN', 'Forbidden'],
  ['HUB_DUPLICATE', 'Duplicate'],
  ['HUB_NOT_FOUND', 'NotFound'],
  ['HUB_ACTION_TIMEOUT', 'Timeout'],
  ['HUB_REQUEST_INVALID', 'BadRequest'],
  ['HUB_KEY_REUSED', 'BadRequest'],
  ['HUB_MESSAGE_TOO_LARGE', 'BadRequest']
])

const PONG = encodeFrame(OPCODE.text, '{"type":"pong"}')

/**
 * Protocols compatible with the published subprotocols `json.webpubsub.azure.v1` and
 * `json.reliable.webpubsub.azure.v1`, by the name that was negotiated: one JSON object in each text frame, both ways.
 */
export const webPubSub: ReadonlyMap<string, Protocol> = createWebPubSub(encodeFrame)

/** The same for clients that agreed on permessage-deflate. */
export function createDeflatedWebPubSub (options: DeflateOptions): ReadonlyMap<string, Protocol> {
  return createWebPubSub(createDeflatingEncoder(options))
}

function createWebPubSub (encodeMessage: FrameEncoder): ReadonlyMap<string, Protocol> {
  return new Map(WEB_PUBSUB_SUBPROTOCOLS.map((name) => [name, createProtocol(name, IS_RELIABLE[name], encodeMessage)]))
}

function createProtocol (name: string, isReliable: boolean, encodeMessage: FrameEncoder): Protocol {
  return {
    name,
    acknowledgedBy: isReliable ? 'command' : 'pong',
    isResumable: isReliable,
    ping,
    pong: PONG,
    encodeProbe: encodeProbe,

    // Never compressed: it carries a secret beside a name that a user may have chosen (CRIME).
    encodeGreeting ({ clientId, user, resumeToken }) {
      const connected = { type: 'system', event: 'connected', connectionId: clientId, userId: user }
      return encodeFrame(OPCODE.text, JSON.stringify(resumeToken === null ? connected : { ...connected, reconnectionToken: resumeToken }))
    },

    decode (data, isBinary) {
      if (isBinary) return { kind: 'invalid', reason: 'Send text frames; binary data goes into them as base64.' }
      return decodeRequest(data.toString(), isReliable)
    },

    encode ({ payload, address, from, offset }) {
      const start = isReliable ? `{"sequenceId":${offset},"type":"message"` : '{"type":"message"'
      if (!('group' in address)) return encodeMessage(OPCODE.text, `${start},"from":"server",${content(payload)}}`)
      const sender = from === undefined ? '' : `,"fromUserId":${JSON.stringify(from)}`
      return encodeMessage(OPCODE.text, `${start},"from":"group","group":${JSON.stringify(address.group)},${content(payload)}${sender}}`)
    },

    encodeReply: (payload) => encodeMessage(OPCODE.text, `{"type":"message","from":"server",${content(payload)}}`),

    encodeResult (command, result) {
      if (command.id === undefined) return null
      return encodeMessage(OPCODE.text, JSON.stringify(command.kind === 'action' ? invokeResponse(command, result) : ack(command, result)))
    },

    // There is no word for it; the hub closes the connection.
    encodeGap: () => null,

    encodeCloseNotice: (reason) => encodeFrame(OPCODE.text, JSON.stringify({ type: 'system', event: 'disconnected', message: reason }))
  }
}

/** `dataType` and `data` of a message, around the JSON that is there already. */
function content ({ kind, data }: Payload): string {
  if (kind === 'binary') return `"dataType":"binary","data":"${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')}"`
  return kind === 'json' ? `"dataType":"json","data":${data}` : `"dataType":"text","data":${JSON.stringify(data)}`
}

function ack ({ id }: CommandWithReply, result: CommandResult): object {
  const answer = { type: 'ack', ackId: id, success: result.ok }
  return result.ok ? answer : { ...answer, error: failure(result.error, 'InternalServerError') }
}

function invokeResponse ({ id }: CommandWithReply, result: CommandResult): object {
  const answer = { type: 'invokeResponse', invocationId: id, success: result.ok }
  if (!result.ok) return { ...answer, error: failure(result.error, 'InvocationFailed') }
  // The published JavaScript client drops an answer whose data is null and would wait for ever, the .NET client throws;
  // both take one without data.
  return result.data === undefined || result.data === null ? answer : { ...answer, dataType: 'json', data: result.data }
}

function failure ({ code, message }: { readonly code: string, readonly message: string }, otherwise: string): object {
  // What is not the hub's is the application's own.
  return { name: ERROR_NAMES.get(code) ?? (code.startsWith('HUB_') ? otherwise : code), message }
}
