import { TypeCompiler } from '@sinclair/typebox/compiler'
import { HubError } from '../errors.ts'
import { Id, MAX_ID_LENGTH, type Payload, type UserId } from '../message.ts'
import { OPCODE, encodeFrame } from '../protocol/frame.ts'
import { escapeHtml, parseFirstJson, sortedGoJson } from '../protocol/go-json.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { plain } from './plain.ts'

/** How pushMessage's messages look: any value as Go's JSON with an end of line, and an empty Ping frame every 10 s. */
export const pushMessage: Protocol = {
  ...plain,
  name: 'push-message',
  acknowledgesAll: true,
  ping: encodeFrame(OPCODE.ping, ''),
  pingPeriodMs: 10_000,
  encode: ({ payload }) => encode(payload),
  encodeReply: encode
}

function encode (payload: Payload): Buffer {
  return encodeFrame(OPCODE.text, `${toGoJson(payload)}\n`)
}

const ids = TypeCompiler.Compile(Id)

/** Whose mailbox a request is about: `/client/:id`, or `?userId=` in the blog's copy. Throws HUB_REQUEST_INVALID. */
export function mailboxIn (params: unknown, query: unknown): UserId {
  const { id } = params as { id?: unknown }
  const user = id ?? (query as { userId?: unknown }).userId
  if (ids.Check(user)) return user
  throw new HubError('HUB_REQUEST_INVALID', `Name a client with 1 to ${MAX_ID_LENGTH} characters: /client/alice, or ?userId=alice.`)
}

/** The value that a body begins with, as Go read it; undefined for what is no JSON, or what Go could not hold. */
export function parseMessage (body: unknown): unknown {
  if (typeof body !== 'string') return undefined
  try {
    const value = parseFirstJson(body)
    sortedGoJson(value)
    return value
  } catch {
    return undefined
  }
}

/** Text becomes a JSON string, and bytes one of base64, as Go has them. */
function toGoJson ({ kind, data }: Payload): string {
  if (kind === 'text') return escapeHtml(JSON.stringify(data))
  if (kind === 'binary') return JSON.stringify(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'))
  try {
    return sortedGoJson(JSON.parse(data))
  } catch {
    // Nested deeper than the stack allows: the order of keys is the only loss.
    return escapeHtml(data)
  }
}
