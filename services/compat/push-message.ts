import { toBase64, type Payload } from '../model/message.ts'
import { OPCODE, encodeFrame } from '../protocol/frame.ts'
import { createCompatProtocol } from './compat-protocol.ts'
import { escapeHtml, parseFirstJson, sortedGoJson } from './go-json.ts'

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
    const value = parseFirstJson(body)
    // A number beyond float64 is an error in Go. JSON.stringify would turn the number into null.
    sortedGoJson(value)
    return value
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
    // The value is nested deeper than the stack allows. The message goes out with its keys in their original order.
    return escapeHtml(data)
  }
}
