import { toJson } from '../model/json.ts'
import { toBase64, type Payload } from '../model/message.ts'
import { OPCODE, encodeFrame, encodeProbe, ping, type FrameEncoder } from './frame.ts'
import type { CommandWithReply, CommandResult, Protocol, ReplyTarget } from './protocol.ts'
import { decodeRequest } from './web-pubsub-requests.ts'

/**
 * The subprotocols, and whether each is reliable: messages carry a sequenceId that the client acknowledges and resumes
 * from. Published clients offer the first two names; `hub` names are the hub's own.
 */
const IS_RELIABLE = {
  'json.reliable.webpubsub.azure.v1': true,
  'json.webpubsub.azure.v1': false,
  'json.reliable.hub.v1': true,
  'json.hub.v1': false
} as const

/** The name of one of these subprotocols. */
export type WebPubSubSubprotocol = keyof typeof IS_RELIABLE

/** The names of these subprotocols, the hub's preference first. */
export const WEB_PUBSUB_SUBPROTOCOLS = Object.keys(IS_RELIABLE) as WebPubSubSubprotocol[]

/**
 * Error names of the subprotocol. Published clients treat `Duplicate` as success and may repeat after any other error.
 */
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
 * Creates the protocols compatible with the published subprotocols `json.webpubsub.azure.v1` and
 * `json.reliable.webpubsub.azure.v1`, by negotiated name. Each text frame holds one JSON object, in both directions.
 *
 * @param encodeMessage Makes the frames of messages and replies; compresses where permessage-deflate was negotiated.
 */
export function createWebPubSub (encodeMessage: FrameEncoder = encodeFrame): ReadonlyMap<string, Protocol> {
  return new Map(WEB_PUBSUB_SUBPROTOCOLS.map((name) => [name, createProtocol(name, IS_RELIABLE[name], encodeMessage)]))
}

function createProtocol (name: string, isReliable: boolean, encodeMessage: FrameEncoder): Protocol {
  return {
    name,
    acknowledgedBy: isReliable ? 'command' : 'pong',
    isResumable: isReliable,
    isEnveloped: true,
    ping,
    pong: PONG,

    /** Never compressed: the frame holds a secret beside a name that a user may have chosen (CRIME). */
    encodeGreeting ({ clientId, user, resumeToken }) {
      const connected = { type: 'system', event: 'connected', connectionId: clientId, userId: user }
      return encodeJson(resumeToken === null ? connected : { ...connected, reconnectionToken: resumeToken })
    },

    decode (data, isBinary) {
      if (isBinary) return { kind: 'invalid', reason: 'Send text frames; binary data goes into them as base64.' }
      return decodeRequest(data.toString(), isReliable)
    },

    encode ({ payload, address, from, offset }) {
      const start = isReliable ? `{"sequenceId":${offset},"type":"message"` : '{"type":"message"'
      if (!('group' in address)) return encodeMessage(OPCODE.text, `${start},"from":"server",${content(payload)}}`)
      const group = JSON.stringify(address.group)
      const sender = from === undefined ? '' : `,"fromUserId":${JSON.stringify(from)}`
      return encodeMessage(OPCODE.text, `${start},"from":"group","group":${group},${content(payload)}${sender}}`)
    },

    encodeReply: (payload) => encodeMessage(OPCODE.text, `{"type":"message","from":"server",${content(payload)}}`),

    encodeResult (target, result) {
      if (target.id === undefined) return null
      return encodeMessage(OPCODE.text, response(target, result))
    },

    encodeProbe,

    /** The subprotocol has no gap notice; the hub closes the connection. */
    encodeGap: () => null,

    encodeCloseNotice: (reason) => encodeJson({ type: 'system', event: 'disconnected', message: reason })
  }
}

/** The protocols without compression, by negotiated name. */
export const webPubSub: ReadonlyMap<string, Protocol> = createWebPubSub()

/** An uncompressed text frame with one JSON object. */
function encodeJson (value: object): Buffer {
  return encodeFrame(OPCODE.text, JSON.stringify(value))
}

/** The fields `dataType` and `data` of a message. A JSON payload is inserted as text, not parsed. */
function content ({ kind, data }: Payload): string {
  if (kind === 'binary') return `"dataType":"binary","data":"${toBase64(data)}"`
  return kind === 'json' ? `"dataType":"json","data":${data}` : `"dataType":"text","data":${JSON.stringify(data)}`
}

/** The reply to a request with an id. */
function response (target: ReplyTarget | CommandWithReply, result: CommandResult): string {
  const { kind, id } = target
  if (kind === 'action') return invokeResponse(id, result)
  const start = kind === 'stream' ? { type: 'streamClosed', streamId: id } : { type: 'ack', ackId: id, success: result.ok }
  return JSON.stringify(result.ok ? start : { ...start, error: failure(result.error, 'InternalServerError') })
}

function invokeResponse (id: ReplyTarget['id'], result: CommandResult): string {
  const start = { type: 'invokeResponse', invocationId: id, success: result.ok }
  if (!result.ok) return JSON.stringify({ ...start, error: failure(result.error, 'InvocationFailed') })
  // The published JavaScript client drops a response whose data is null and would wait for ever, the .NET client
  // throws. Both accept a response without data.
  if (result.data === undefined || result.data === null) return JSON.stringify(start)
  return `${JSON.stringify({ ...start, dataType: 'json' }).slice(0, -1)},"data":${toJson(result.data)}}`
}

/** The `error` of a response. A code that does not begin with HUB_ is the application's own and is sent unchanged. */
function failure ({ code, message }: { readonly code: string, readonly message: string }, otherwise: string): object {
  return { name: ERROR_NAMES.get(code) ?? (code.startsWith('HUB_') ? otherwise : code), message }
}
