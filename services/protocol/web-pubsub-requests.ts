import { Type, type Static, type TObject, type TProperties, type TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { safeParse } from 'secure-json-parse'
import { Id, type Payload } from '../model/message.ts'
import type { Command } from './protocol.ts'

type Invalid = Extract<Command, { readonly kind: 'invalid' }>

/** What a request carries, as its `dataType` says. */
type Content =
  | { readonly kind: 'json', readonly data: unknown }
  | { readonly kind: 'text', readonly data: string }
  | { readonly kind: 'binary', readonly data: Buffer }

/** Optional; null says the same, for clients that write what they leave out. */
const Nullable = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))
const Unsigned = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const AckId = Nullable(Unsigned)
const content = { dataType: Nullable(Type.String()), data: Type.Optional(Type.Unknown()) }

/**
 * Every request of the `json.webpubsub.azure.v1` subprotocols that the hub takes, by its `type`. Streams and group state
 * are optional there and not among them.
 */
const requests = new Map<string, (request: object) => Command>([
  request('joinGroup', { group: Id, ackId: AckId }, ({ group, ackId }) => ({ kind: 'join', group, id: ackId ?? undefined })),

  request('leaveGroup', { group: Id, ackId: AckId }, ({ group, ackId }) => ({ kind: 'leave', group, id: ackId ?? undefined })),

  request('sendToGroup', { group: Id, ackId: AckId, noEcho: Nullable(Type.Boolean()), ...content, stream: Type.Optional(Type.Unknown()) }, (sent) => {
    if (sent.stream !== undefined) return invalid('Streams are not supported.')
    if (sent.data === undefined) return invalid('sendToGroup: "data" is missing.')
    const payload = toPayload(toContent(sent.dataType, sent.data))
    if (payload.kind === 'invalid') return payload
    return { kind: 'send', group: sent.group, payload, isEchoed: sent.noEcho !== true, id: sent.ackId ?? undefined }
  }),

  request('event', { event: Type.String(), ackId: AckId, ...content }, ({ event, ackId, dataType, data }) => {
    const said = toContent(dataType, data)
    return said.kind === 'invalid' ? said : { kind: 'event', name: event, data: said.data, id: ackId ?? undefined }
  }),

  request('invoke', { invocationId: Id, target: Type.Literal('event'), event: Type.String(), ...content }, ({ invocationId, event, dataType, data }) => {
    const said = toContent(dataType, data)
    return said.kind === 'invalid' ? said : { kind: 'action', name: event, data: said.data, id: invocationId }
  }),

  // What has been begun is not called back: the client forgets the invocation, and with it the answer.
  request('cancelInvocation', {}, () => ({ kind: 'ignored' })),

  // Clients send a number; the published documentation prints a string.
  request('sequenceAck', { sequenceId: Type.Union([Unsigned, Type.String({ pattern: '^[0-9]{1,16}$' })]) }, ({ sequenceId }) => {
    const offset = Number(sequenceId)
    return Number.isSafeInteger(offset) ? { kind: 'acknowledge', offset } : invalid('sequenceAck: "sequenceId" is beyond 2^53.')
  }),

  request('ping', {}, () => ({ kind: 'ping' }))
])

/**
 * What a text frame of a `json.webpubsub.azure.v1` client asks for (published JSON subprotocol reference, "Requests").
 * A frame that does not match makes the service decline the client, so that is `invalid`, with or without an `ackId`;
 * the reason repeats nothing that the client sent. Never throws.
 */
export function decodeRequest (text: string, isReliable: boolean): Command {
  // Null for objects that carry `__proto__` or `constructor.prototype`, undefined for what is not JSON.
  const value: unknown = safeParse(text)
  if (typeof value !== 'object' || value === null || !('type' in value)) return invalid('A frame must be one JSON object with a "type".')
  const decode = typeof value.type === 'string' ? requests.get(value.type) : undefined
  if (decode === undefined) return invalid('There is no request of this "type".')
  // There is nothing to acknowledge where messages carry no sequenceId.
  if (value.type === 'sequenceAck' && !isReliable) return { kind: 'ignored' }
  return decode(value)
}

function request<P extends TProperties> (type: string, properties: P, toCommand: (request: Static<TObject<P>>) => Command): [string, (request: object) => Command] {
  const schema = TypeCompiler.Compile(Type.Object(properties))
  return [type, (value) => {
    if (schema.Check(value)) return toCommand(value)
    const field = schema.Errors(value).First()?.path.slice(1) ?? ''
    return invalid(`${type}: "${field}" is missing or not what it must be.`)
  }]
}

/** What was said, by its `dataType`: json when there is none. The published .NET client writes it with a capital. */
function toContent (dataType: string | null | undefined, data: unknown): Content | Invalid {
  switch (dataType?.toLowerCase() ?? 'json') {
    case 'json':
      return { kind: 'json', data }
    case 'text':
      return typeof data === 'string' ? { kind: 'text', data } : invalid('"data" of the "dataType" text must be a string.')
    case 'binary': {
      // Node skips what is no base64 (RFC 4648 section 4), so only what comes out as it went in was whole.
      const bytes = Buffer.from(typeof data === 'string' ? data : '', 'base64')
      return bytes.toString('base64') === data ? { kind: 'binary', data: bytes } : invalid('"data" of the "dataType" binary must be padded base64.')
    }
    case 'protobuf':
      return invalid('The "dataType" protobuf is not supported; send binary.')
    default:
      return invalid('"dataType" must be json, text or binary.')
  }
}

/** Numbers come out as JavaScript has them: digits beyond 2^53 are lost. */
function toPayload (said: Content | Invalid): Payload | Invalid {
  if (said.kind !== 'json') return said
  try {
    return { kind: 'json', data: JSON.stringify(said.data) }
  } catch {
    // JSON.parse has no limit to its depth, JSON.stringify has the stack's.
    return invalid('"data" is nested too deeply.')
  }
}

function invalid (reason: string): Invalid {
  return { kind: 'invalid', reason }
}
