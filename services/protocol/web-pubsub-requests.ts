import { Type, type Static, type TObject, type TProperties, type TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { safeParse } from 'secure-json-parse'
import { HubError } from '../model/errors.ts'
import { assertDepth, assertExactNumbers, HALF_PAIR, memberText } from '../model/json.ts'
import { Id, payloadBytes, type Payload } from '../model/message.ts'
import type { Command, ReplyTarget } from './protocol.ts'

/** An optional field. Null counts as absent: some published clients write null for an omitted field. */
const Nullable = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))
const Unsigned = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const AckId = Nullable(Unsigned)
const SequenceId = Type.Union([Unsigned, Type.String({ pattern: '^[0-9]{1,16}$' })])
const content = { dataType: Nullable(Type.String()), data: Type.Optional(Type.Unknown()) }
const stream = Type.Optional(Type.Unknown())
const sendToGroup = { group: Id, ackId: AckId, noEcho: Nullable(Type.Boolean()), ...content, stream }
const invoke = { invocationId: Id, target: Type.Literal('event'), event: Type.String(), ...content }

/** The fields of a request that carry its content. */
interface Content {
  readonly dataType?: string | null
  readonly data?: unknown
}

/** A decoder of one type of request. Throws HUB_REQUEST_INVALID or HUB_NOT_FOUND for a request that is refused. */
type Decoder = (request: object, text: string) => Command

/**
 * The requests of the `json.webpubsub.azure.v1` subprotocols, by `type`. Streams and group state, which are optional in
 * the published reference, are refused.
 */
const requests = new Map<string, Decoder>([
  request('joinGroup', { group: Id, ackId: AckId }, ({ group, ackId }) => {
    return { kind: 'join', group, id: ackId ?? undefined }
  }),

  request('leaveGroup', { group: Id, ackId: AckId }, ({ group, ackId }) => {
    return { kind: 'leave', group, id: ackId ?? undefined }
  }),

  request('sendToGroup', sendToGroup, ({ group, ackId, noEcho, stream, ...content }, text) => {
    if (stream !== undefined) throw noStream()
    if (content.data === undefined) throw invalid('sendToGroup: "data" is missing.')
    return { kind: 'send', group, payload: toPayload(content, text), isEchoed: noEcho !== true, id: ackId ?? undefined }
  }),

  request('event', { event: Type.String(), ackId: AckId, ...content }, ({ event, ackId, ...content }, text) => {
    return { kind: 'event', name: event, ...toArgument(content, text), id: ackId ?? undefined }
  }),

  request('invoke', invoke, ({ invocationId, event, ...content }, text) => {
    return { kind: 'action', name: event, ...toArgument(content, text), id: invocationId }
  }),

  // A running action is not stopped: the client drops the invocation and ignores the response.
  request('cancelInvocation', {}, () => ({ kind: 'ignored' })),

  // Published clients send a number; the published reference shows a string.
  request('sequenceAck', { sequenceId: SequenceId }, ({ sequenceId }) => {
    const offset = Number(sequenceId)
    if (!Number.isSafeInteger(offset)) throw invalid('sequenceAck: "sequenceId" is beyond 2^53.')
    return { kind: 'acknowledge', offset }
  }),

  request('ping', {}, () => ({ kind: 'ping' })),

  ...['streamData', 'streamEnd'].map((type) => request(type, {}, () => { throw noStream() })),
  ...['setGroupState', 'subscribeGroupState', 'unsubscribeGroupState'].map((type) => {
    return request(type, {}, () => { throw invalid('Group state is not supported.') })
  })
])

/**
 * Decodes a text frame of a `json.webpubsub.azure.v1` client (published JSON subprotocol reference, "Requests"). Never
 * throws. Only a frame that is no JSON is `invalid`. Any other frame of a wrong shape is `refused`, so that one faulty
 * request does not end the connection. The reason never repeats data of the client.
 *
 * @param isReliable Whether messages have a sequenceId that the client acknowledges.
 */
export function decodeRequest (text: string, isReliable: boolean): Command {
  // safeParse returns null for objects with `__proto__` or `constructor.prototype`, undefined for invalid JSON.
  const value: unknown = safeParse(text)
  if (value === undefined) return { kind: 'invalid', reason: 'A frame must be one JSON object with a "type".' }
  try {
    if (typeof value !== 'object' || value === null || !('type' in value)) {
      throw invalid('A request must be a JSON object with a "type", without a key "__proto__".')
    }
    const decode = typeof value.type === 'string' ? requests.get(value.type) : undefined
    if (decode === undefined) throw invalid('There is no request of this "type".')
    // Messages without a sequenceId cannot be acknowledged.
    if (value.type === 'sequenceAck' && !isReliable) return { kind: 'ignored' }
    assertDepth(text, 1)
    return decode(value, text)
  } catch (error) {
    if (error instanceof HubError) return { kind: 'refused', target: targetOf(value), error }
    throw error
  }
}

/** A request type, with a decoder that checks the fields and then makes the command. */
function request<P extends TProperties> (
  type: string, properties: P, toCommand: (request: Static<TObject<P>>, text: string) => Command
): [type: string, decode: Decoder] {
  const check = TypeCompiler.Compile(Type.Object(properties))
  return [type, (value, text) => {
    if (check.Check(value)) return toCommand(value, text)
    const field = check.Errors(value).First()?.path.slice(1) ?? ''
    throw invalid(`${type}: "${field}" is missing or not what it must be.`)
  }]
}

const ackIdCheck = TypeCompiler.Compile(Type.Object({ ackId: Unsigned }))
const invocationCheck = TypeCompiler.Compile(Type.Object({ type: Type.Literal('invoke'), invocationId: Id }))
const streamDataCheck = TypeCompiler.Compile(Type.Object({ streamId: Id }))
const streamStartCheck = TypeCompiler.Compile(Type.Object({ stream: Type.Object({ streamId: Id }) }))

/** The request that the reply to a refused frame belongs to; null for a frame without an id. */
function targetOf (value: unknown): ReplyTarget | null {
  if (invocationCheck.Check(value)) return { kind: 'action', name: '', id: value.invocationId }
  if (streamStartCheck.Check(value)) return { kind: 'stream', id: value.stream.streamId }
  if (streamDataCheck.Check(value)) return { kind: 'stream', id: value.streamId }
  return ackIdCheck.Check(value) ? { kind: 'send', id: value.ackId } : null
}

/** The payload of a message to a group. JSON stays the text that the frame has. */
function toPayload ({ dataType, data }: Content, text: string): Payload {
  // The published .NET client writes data types with a capital.
  switch (dataType?.toLowerCase() ?? 'json') {
    case 'json':
      return { kind: 'json', data: memberText(text, 'data') ?? '' }
    case 'text':
      if (typeof data !== 'string') throw invalid('"data" of the "dataType" text must be a string.')
      if (!data.isWellFormed()) throw invalid(HALF_PAIR)
      return { kind: 'text', data }
    case 'binary': {
      // Node ignores characters outside base64 (RFC 4648 section 4), so valid data is data that encodes back to itself.
      const bytes = Buffer.from(typeof data === 'string' ? data : '', 'base64')
      if (bytes.toString('base64') !== data) throw invalid('"data" of the "dataType" binary must be padded base64.')
      return { kind: 'binary', data: bytes }
    }
    case 'protobuf':
      throw invalid('The "dataType" protobuf is not supported; send binary.')
    default:
      throw invalid('"dataType" must be json, text or binary.')
  }
}

/** The argument of an action: JSON as JavaScript has it, text as a string, binary as bytes. */
function toArgument (content: Content, text: string): { data: unknown, bytes: number } {
  const payload = toPayload(content, text)
  const bytes = payloadBytes(payload)
  if (payload.kind !== 'json') return { data: payload.data, bytes }
  assertExactNumbers(payload.data)
  return { data: content.data, bytes }
}

function invalid (reason: string): HubError {
  return new HubError('HUB_REQUEST_INVALID', reason)
}

function noStream (): HubError {
  return new HubError('HUB_NOT_FOUND', 'There is no such stream: streams are not supported; send whole messages.')
}
