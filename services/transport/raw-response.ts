import { STATUS_CODES } from 'node:http'
import { ERRORS, HubError, errorBody, type ErrorCode } from '../model/errors.ts'

/**
 * A complete HTTP response (RFC 9112) for a socket without a reply object: the error as JSON, with the status of its
 * code and `Connection: close`.
 */
export function rawResponse (code: ErrorCode, message: string): string {
  const body = JSON.stringify(errorBody(new HubError(code, message)))
  const status = ERRORS[code]
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body
  ].join('\r\n')
}
