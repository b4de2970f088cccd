import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { safeParse } from 'secure-json-parse'
import { HubError } from '../model/errors.ts'
import { assertDepth, assertExactNumbers, toJson } from '../model/json.ts'
import type { Payload } from '../model/message.ts'
import { OPCODE, encodeFrame, encodeProbe, ping, type FrameEncoder } from './frame.ts'
import type { Command, CommandResult, Protocol } from './protocol.ts'

/**
 * Subprotocol for clients that offer `bearer.<token>`; a client that offers no subprotocol gets the raw protocol too.
 */
export const RAW_SUBPROTOCOL = 'hub.raw'

/** Text of the first frame on a raw connection. */
const GREETING = '{"code":2000,"msg":"ws连接成功","data":""}'

const OPENING_BRACE = 0x7b

/**
 * The protocol without an envelope: the payload of a message is the payload of the frame. A text frame
 * `{"action": name, "data"?, "id"?}` that names an action of the application is a call; every other frame is a message.
 *
 * @param greeting Text of the first frame on a connection.
 * @param encodeMessage Makes the frames of messages and replies; compresses where permessage-deflate was negotiated.
 */
export function createRaw (greeting: string = GREETING, encodeMessage: FrameEncoder = encodeFrame): Protocol {
  const greetingFrame = encodeFrame(OPCODE.text, greeting)
  const encodePayload = ({ kind, data }: Payload): Buffer => {
    return encodeMessage(kind === 'binary' ? OPCODE.binary : OPCODE.text, data)
  }
  return {
    name: 'raw',
    acknowledgedBy: 'pong',
    isResumable: false,
    ping,
    pong: null,

    encodeGreeting: () => greetingFrame,

    decode (data, isBinary, actions) {
      if (isBinary) return { kind: 'message', data }
      const text = data.toString()
      if (actions.size > 0 && data[0] === OPENING_BRACE) {
        const call = parseCall(text)
        if (call !== null && actions.has(call.action)) return toCommand(call, text)
      }
      return { kind: 'message', data: text }
    },

    encode: ({ payload }) => encodePayload(payload),

    encodeReply: encodePayload,

    encodeResult (command, result) {
      if (command.kind !== 'action') return null
      const { name: action, id } = command
      return encodeMessage(OPCODE.text, encodeCallResult({ action, id }, result))
    },

    encodeProbe,
    encodeGap: () => null,
    encodeCloseNotice: () => null
  }
}

/** The raw protocol with the default greeting, uncompressed. */
export const raw: Protocol = createRaw()

/** The form of a call. */
const CallFrame = Type.Object({
  action: Type.String(),
  data: Type.Optional(Type.Unknown()),
  id: Type.Optional(Type.Union([Type.Number(), Type.String({ maxLength: 256 })]))
})
type CallFrame = Static<typeof CallFrame>

const callCheck = TypeCompiler.Compile(CallFrame)
const isCall = (value: unknown): value is CallFrame => callCheck.Check(value)

/** Parses a call; null for other texts. */
function parseCall (text: string): CallFrame | null {
  // safeParse returns null for invalid JSON and for objects with `__proto__` or `constructor.prototype`.
  const value: unknown = safeParse(text)
  return isCall(value) ? value : null
}

/** The command for a call; refused where the data would not reach the action as the client sent it. */
function toCommand ({ action: name, data, id }: CallFrame, text: string): Command {
  try {
    assertDepth(text, 1)
    assertExactNumbers(text)
    return { kind: 'action', name, data, id }
  } catch (error) {
    if (error instanceof HubError) return { kind: 'refused', target: { kind: 'action', name, id }, error }
    throw error
  }
}

/** The reply to a call. */
function encodeCallResult (call: object, result: CommandResult): string {
  if (!result.ok) return JSON.stringify({ ...call, ...result })
  const start = JSON.stringify({ ...call, ok: true }).slice(0, -1)
  return result.data === undefined ? `${start}}` : `${start},"data":${toJson(result.data)}}`
}
