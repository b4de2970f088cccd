import { Type, type Static, type TObject, type TProperties, type TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { safeParse } from 'secure-json-parse'
import { Id, type Payload } from '../model/message.ts'
import type { Command } from './protocol.ts'

type Invalid = Extract<Command, { readonly kind: 'invalid' }>

/** The content of a request, decoded by `dataType`. */
type Content =
  | { readonly kind: 'json', readonly data: unknown }
  | { readonly kind: 'text', readonly data: string }
  | { readonly kind: 'binary', readonly data: Buffer }

/** An optional field. Null counts as absent: some published clients write null for an omitted field. */
const Nullable = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))
const Unsigned = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const AckId = Nullable(Unsigned)
const SequenceId = Type.Union([Unsigned, Type.String({ pattern: '^[0-9]{1,16}$' })])
const content = { dataType: Nullable(Type.String()), data: Type.Optional(Type.Unknown()) }
const stream = Type.Optional(Type.Unknown())
const sendToGroup = { group: Id, ackId: AckId, noEcho: Nullable(Type.Boolean()), ...content, stream }
const invoke = { invocationId: Id, target: Type.Literal('event'), event: Type.String(), ...content }

/**
 * The requests of the `json.webpubsub.azure.v1` subprotocols that the hub supports, by `type`. Streams and group state,
 * which are optional in the published reference, are not supported.
 */
const requests = new Map<string, (request: object) => Command>([
  request('joinGroup', { group: Id, ackId: AckId }, ({ group, ackId }) => {
    return { kind: 'join', group, id: ackId ?? undefined }
  }),

  request('leaveGroup', { group: Id, ackId: AckId }, ({ group, ackId }) => {
    return { kind: 'leave', group, id: ackId ?? undefined }
  }),

  request('sendToGroup', sendToGroup, ({ group, ackId, noEcho, dataType, data, stream }) => {
    if (stream !== undefined) return invalid('Streams are not supported.')
    if (data === undefined) return invalid('sendToGroup: "data" is missing.')
    const payload = toPayload(toContent(dataType, data))
    if (payload.kind === 'invalid') return payload
    return { kind: 'send', group, payload, isEchoed: noEcho !== true, id: ackId ?? undefined }
  }),

  request('event', { event: Type.String(), ackId: AckId, ...content }, ({ event, ackId, dataType, data }) => {
    const decoded = toContent(dataType, data)
    if (decoded.kind === 'invalid') return decoded
    return { kind: 'event', name: event, data: decoded.data, id: ackId ?? undefined }
  }),

  request('invoke', invoke, ({ invocationId, event, dataType, data }) => {
    const decoded = toContent(dataType, data)
    if (decoded.kind === 'invalid') return decoded
    return { kind: 'action', name: event, data: decoded.data, id: invocationId }
  }),

  // A running action is not stopped: the client drops the invocation and ignores the response.
  request('cancelInvocation', {}, () => ({ kind: 'ignored' })),

  // Published clients send a number; the published reference shows a string.
  request('sequenceAck', { sequenceId: SequenceId }, ({ sequenceId }) => {
    const offset = Number(sequenceId)
    if (!Number.isSafeInteger(offset)) return invalid('sequenceAck: "sequenceId" is beyond 2^53.')
    return { kind: 'acknowledge', offset }
  }),

  request('ping', {}, () => ({ kind: 'ping' }))
])

/**
 * Decodes a text frame of a `json.webpubsub.azure.v1` client (published JSON subprotocol reference, "Requests"). Never
 * throws. The reference declines the client for a frame of another shape, so such a frame is `invalid`, with or without
 * an `ackId`. The reason never repeats data of the client.
 *
 * @param isReliable Whether messages have a sequenceId that the client acknowledges.
 */
export function decodeRequest (text: string, isReliable: boolean): Command {
  // safeParse returns null for objects with `__proto__` or `constructor.prototype`, undefined for invalid JSON.
  const value: unknown = safeParse(text)
  if (typeof value !== 'object' || value === null || !('type' in value)) {
    return invalid('A frame must be one JSON object with a "type".')
  }
  const decode = typeof value.type === 'string' ? requests.get(value.type) : undefined
  if (decode === undefined) return invalid('There is no request of this "type".')
  // Messages without a sequenceId cannot be acknowledged.
  if (value.type === 'sequenceAck' && !isReliable) return { kind: 'ignored' }
  return decode(value)
}

/** A request type, with a decoder that checks the fields and then makes the command. */
function request<P extends TProperties> (
  type: string, properties: P, toCommand: (request: Static<TObject<P>>) => Command
): [type: string, decode: (request: object) => Command] {
  const check = TypeCompiler.Compile(Type.Object(properties))
  return [type, (value) => {
    if (check.Check(value)) return toCommand(value)
    const field = check.Errors(value).First()?.path.slice(1) ?? ''
    return invalid(`${type}: "${field}" is missing or not what it must be.`)
  }]
}

/** Decodes `data` by `dataType`, by default json. The published .NET client writes data types with a capital. */
function toContent (dataType: string | null | undefined, data: unknown): Content | Invalid {
  switch (dataType?.toLowerCase() ?? 'json') {
    case 'json':
      return { kind: 'json', data }
    case 'text':
      if (typeof data !== 'string') return invalid('"data" of the "dataType" text must be a string.')
      return { kind: 'text', data }
    case 'binary': {
      // Node ignores characters outside base64 (RFC 4648 section 4), so valid data is data that encodes back to itself.
      const bytes = Buffer.from(typeof data === 'string' ? data : '', 'base64')
      if (bytes.toString('base64') !== data) return invalid('"data" of the "dataType" binary must be padded base64.')
      return { kind: 'binary', data: bytes }
    }
    case 'protobuf':
      return invalid('The "dataType" protobuf is not supported; send binary.')
    default:
      return invalid('"dataType" must be json, text or binary.')
  }
}

/** The payload of a message to a group. JSON is parsed and written again: digits of numbers beyond 2^53 are lost. */
function toPayload (decoded: Content | Invalid): Payload | Invalid {
  if (decoded.kind !== 'json') return decoded
  try {
    return { kind: 'json', data: JSON.stringify(decoded.data) }
  } catch {
    // JSON.parse accepts any depth; JSON.stringify recurses and overflows the stack.
    return invalid('"data" is nested too deeply.')
  }
}

function invalid (reason: string): Invalid {
  return { kind: 'invalid', reason }
}
