import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest, preValidationAsyncHookHandler } from 'fastify'
import { JsonText, memberText, parseJson } from '../services/model/json.ts'
import { assertJsonType, bodyText, readBytes } from '../services/transport/http/request-body.ts'

/** Key on a request for its body. */
const kBody = Symbol('fastify-hub.body')

interface RequestWithBody extends FastifyRequest {
  [kBody]?: Readable
}

/**
 * Makes the scope leave bodies to the hooks of `createBodyHook`: a parser of the application may lose digits and take
 * other charsets, and Fastify would read the body before the hook that checks the token.
 */
export function deferBodies (scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (request: RequestWithBody, payload: Readable, done) => {
    request[kBody] = payload
    done(null)
  })
}

/**
 * Creates the hook that reads the body of a request, up to the `bodyLimit` of the route. It stands behind the hooks
 * that may refuse the request. Without a body, `request.body` stays undefined.
 *
 * @param read Returns the value of `request.body`. A thrown error refuses the request.
 */
export function createBodyHook (
  read: (headers: IncomingHttpHeaders, body: Buffer) => unknown
): preValidationAsyncHookHandler {
  return async (request: RequestWithBody, reply) => {
    const { headers, routeOptions: { bodyLimit } } = request
    const payload = request[kBody]
    if (payload === undefined) return
    const body = await readBytes(headers, payload, bodyLimit).catch((error: unknown) => {
      // The client may still be sending when the response goes out.
      reply.header('connection', 'close')
      throw error
    })
    request.body = read(headers, body)
  }
}

/** Reads a body as JSON. A message that is no string stays the text that the request has. */
export const readJsonBody = createBodyHook((headers, body) => {
  if (body.length === 0) return undefined
  assertJsonType(headers)
  return parseBody(bodyText(headers, body))
})

function parseBody (text: string): unknown {
  const body = parseJson(text, 1)
  if (typeof body !== 'object' || body === null || !('message' in body) || typeof body.message === 'string') return body
  const source = memberText(text, 'message')
  return source === undefined ? body : { ...body, message: new JsonText(source) }
}
