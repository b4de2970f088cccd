import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { safeParse } from 'secure-json-parse'
import type { Payload } from '../model/message.ts'
import { createDeflatingEncoder, type DeflateOptions } from './deflate.ts'
import { OPCODE, encodeFrame, encodeProbe, ping, type FrameEncoder } from './frame.ts'
import type { Protocol } from './protocol.ts'

/** The subprotocol that a client may offer beside `bearer.<token>`; a client that offers none speaks raw too. */
export const RAW_SUBPROTOCOL = 'hub.raw'

const OPENING_BRACE = 0x7b

/** The code in the greeting: clients of gophrame know 2000, those of GinSkeleton 200. */
export type GreetingCode = '200' | '2000'

/**
 * The protocol without envelope: what is said is what is framed. Greeting and ping payload are those that clients of
 * the older Go services know. A text frame `{"action": name, "data"?, "id"?}` that names an action of the application
 * calls it; every other frame is a message.
 */
export const raw: Protocol = createRaw()

/** The same for clients that agreed on permessage-deflate. */
export function createDeflatedRaw (options: DeflateOptions, code?: GreetingCode): Protocol {
  return createRaw(code, createDeflatingEncoder(options))
}

/** The same with another greeting. */
export function createRaw (code: GreetingCode = '2000', encodeMessage: FrameEncoder = encodeFrame): Protocol {
  const greeting = encodeFrame(OPCODE.text, `{"code":${code},"msg":"ws连接成功","data":""}`)
  const encodePayload = ({ kind, data }: Payload) => encodeMessage(kind === 'binary' ? OPCODE.binary : OPCODE.text, data)
  return {
    name: 'raw',
    acknowledgedBy: 'pong',
    isResumable: false,
    ping,
    pong: null,
    encodeProbe: encodeProbe,

    encodeGreeting: () => greeting,

    decode (data, isBinary, actions) {
      if (isBinary) return { kind: 'message', data }
      const text = data.toString()
      if (actions.size > 0 && data[0] === OPENING_BRACE) {
        const call = parseCall(text)
        if (call !== null && actions.has(call.action)) return { kind: 'action', name: call.action, data: call.data, id: call.id }
      }
      return { kind: 'message', data: text }
    },

    encode: ({ payload }) => encodePayload(payload),

    encodeReply: encodePayload,

    encodeResult (command, result) {
      if (command.kind !== 'action') return null
      return encodeMessage(OPCODE.text, JSON.stringify({ action: command.name, id: command.id, ...result }))
    },

    encodeGap: () => null,
    encodeCloseNotice: () => null
  }
}

const calls = TypeCompiler.Compile(Type.Object({
  action: Type.String(),
  data: Type.Optional(Type.Unknown()),
  id: Type.Optional(Type.Union([Type.Number(), Type.String({ maxLength: 256 })]))
}))

function parseCall (text: string) {
  // Answers null for what is not JSON and for objects that carry `__proto__` or `constructor.prototype`.
  const value: unknown = safeParse(text)
  return calls.Check(value) ? value : null
}
