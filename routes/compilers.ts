import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import fastJsonStringify from 'fast-json-stringify'
import type { FastifyInstance, FastifySerializerCompiler } from 'fastify'
import { HubError } from '../services/model/errors.ts'

type Serialize = (data: unknown) => string

/** Serializers by schema, so that a schema is compiled once although several routes use the schema. */
const serializers = new WeakMap<TSchema, Serialize>()

/**
 * Makes the routes of a scope check requests and serialize responses with compilers of the hub. Those of the
 * application, its reply serializer and its format of validation errors have no effect in the scope: they may be unable
 * to read the schemas of the hub, and would change its responses.
 */
export function useOwnCompilers (scope: FastifyInstance): void {
  scope.setValidatorCompiler(TypeBoxValidatorCompiler)
  scope.setSchemaErrorFormatter((faults, part) => {
    const sentences = faults.map(({ instancePath, message = 'is not valid' }) => `${part}${instancePath} ${message}`)
    return new HubError('HUB_REQUEST_INVALID', sentences.join(', '))
  })
  scope.setSerializerCompiler(serializerCompiler)
  // Fastify types allow a function only; without a function, Fastify uses the serializers of the route.
  scope.setReplySerializer(null as unknown as Parameters<FastifyInstance['setReplySerializer']>[0])
}

/** Compiles the response schema of a route, when the application boots. */
const serializerCompiler: FastifySerializerCompiler<TSchema> = ({ schema }) => {
  const known = serializers.get(schema)
  if (known !== undefined) return known
  const serialize = compile(schema)
  serializers.set(schema, serialize)
  return serialize
}

/**
 * Compiles a serializer. A value that does not match the schema is serialized without the schema: a hook of the
 * application may answer a request to the hub with a body of its own, such as a refusal.
 */
function compile (schema: TSchema): Serialize {
  const responseCheck = TypeCompiler.Compile(schema)
  const stringify = fastJsonStringify(schema, { compileValidators: true }) as Serialize
  return (data) => responseCheck.Check(data) ? stringify(data) : JSON.stringify(data)
}
