import type { FastifyInstance } from 'fastify'
import { JsonText, memberText, parseJson } from '../../services/model/json.ts'
import { bodyText } from '../../services/transport/request-body.ts'

/**
 * Makes the scope read bodies as JSON with a parser of its own: parsers of the application may lose digits, and take
 * other charsets. A message that is no string stays the text that the request has.
 */
export function useJsonBodies (scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, ({ headers }, body: Buffer, done) => {
    try {
      done(null, parseBody(bodyText(headers, body)))
    } catch (error) {
      done(error as Error)
    }
  })
}

/** Parses a body. An empty body is undefined: routes without a body take one. */
function parseBody (text: string): unknown {
  if (text === '') return undefined
  const body = parseJson(text, 1)
  if (typeof body !== 'object' || body === null || !('message' in body) || typeof body.message === 'string') return body
  const source = memberText(text, 'message')
  return source === undefined ? body : { ...body, message: new JsonText(source) }
}
