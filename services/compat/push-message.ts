import type { Payload } from '../model/message.ts'
import { OPCODE, encodeFrame } from '../protocol/frame.ts'
import { escapeHtml, parseFirstJson, sortedGoJson } from './go-json.ts'
import { createCompatProtocol } from './gorilla.ts'

/** How pushMessage's messages look: any value as Go's JSON with an end of line, and an empty Ping frame every 10 s. */
export const pushMessage = createCompatProtocol('push-message', (payload) => encodeFrame(OPCODE.text, `${toGoJson(payload)}\n`), {
  acknowledgesAll: true,
  ping: encodeFrame(OPCODE.ping, ''),
  pingPeriodMs: 10_000
})

/** The value that a body begins with, as Go read it; undefined for what is no JSON, or what Go could not hold. */
export function parseMessage (body: unknown): unknown {
  if (typeof body !== 'string') return undefined
  try {
    const value = parseFirstJson(body)
    // What no float64 can hold was an error to Go, and would become null here.
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
