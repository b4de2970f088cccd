import { STATUS_CODES } from 'node:http'
import { ERRORS, HubError, errorBody, type ErrorCode } from '../model/errors.ts'

/** A whole HTTP answer for a socket that has no reply object: the error as JSON, and the end of the connection (RFC 9112). */
export function rawResponse (code: ErrorCode, message: string): string {
  const body = JSON.stringify(errorBody(new HubError(code, message)))
  const status = ERRORS[code]
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
}
