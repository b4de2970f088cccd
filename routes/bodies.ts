import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { JsonText, memberText, parseJson } from '../services/model/json.ts'
import { bodyText } from '../services/transport/request-body.ts'

/**
 * Makes the scope read the bodies of a content type with `read`, and no bodies of another type: a parser of the
 * application may lose digits, and take other charsets. `*` stands for every type.
 *
 * @param read Returns the value of `request.body`. A thrown error refuses the request.
 */
export function readBodies (
  scope: FastifyInstance,
  contentType: string,
  read: (headers: IncomingHttpHeaders, body: Buffer) => unknown
): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(contentType, { parseAs: 'buffer' }, ({ headers }, body: Buffer, done) => {
    try {
      done(null, read(headers, body))
    } catch (error) {
      done(error as Error)
    }
  })
}

/** Makes the scope read bodies as JSON. A message that is no string stays the text that the request has. */
export function useJsonBodies (scope: FastifyInstance): void {
  readBodies(scope, 'application/json', (headers, body) => parseBody(bodyText(headers, body)))
}

/** Parses a body. An empty body is undefined: routes without a body take one. */
function parseBody (text: string): unknown {
  if (text === '') return undefined
  const body = parseJson(text, 1)
  if (typeof body !== 'object' || body === null || !('message' in body) || typeof body.message === 'string') return body
  const source = memberText(text, 'message')
  return source === undefined ? body : { ...body, message: new JsonText(source) }
}
