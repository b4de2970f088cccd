import { assertDepth, JsonText } from '../model/json.ts'
import { toBase64, type Payload } from '../model/message.ts'
import { OPCODE, encodeFrame } from '../protocol/frame.ts'
import { createCompatProtocol } from './compat-protocol.ts'
import { escapeHtml, firstJson, sortedGoJson } from './go-json.ts'

/**
 * The protocol of pushMessage: every payload as Go's JSON with a line feed, and an empty Ping frame every 10 s.
 * Clients acknowledge messages to all addresses, because a mailbox contains messages to all addresses.
 */
export const pushMessage = createCompatProtocol(
  'push-message',
  (payload) => encodeFrame(OPCODE.text, `${toGoJson(payload)}\n`),
  { acknowledgesAll: true, ping: encodeFrame(OPCODE.ping, ''), pingPeriodMs: 10_000 }
)

/**
 * The first JSON value of a request body, as Go decoded it. Undefined for a body without JSON, and for a value that Go
 * could not represent.
 */
export function parseMessage (body: unknown): unknown {
  if (typeof body !== 'string') return undefined
  try {
    const text = firstJson(body)
    assertDepth(text)
    const value: unknown = JSON.parse(text)
    // A number beyond float64 is an error in Go.
    sortedGoJson(value)
    return typeof value === 'string' ? value : new JsonText(text)
  } catch {
    return undefined
  }
}

/** A payload as Go's JSON. As in Go, text becomes a JSON string, and binary becomes a JSON string in base64. */
function toGoJson ({ kind, data }: Payload): string {
  if (kind === 'text') return escapeHtml(JSON.stringify(data))
  if (kind === 'binary') return JSON.stringify(toBase64(data))
  try {
    return sortedGoJson(JSON.parse(data))
  } catch {
    // A number beyond float64. The message goes out as it is, with its keys in their original order.
    return escapeHtml(data)
  }
}
