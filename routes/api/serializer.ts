import type { FastifyInstance, FastifySerializerCompiler } from 'fastify'
import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import fastJsonStringify from 'fast-json-stringify'

type Serialize = (data: unknown) => string

/** Serializers by schema, so that a schema is compiled once although several routes use the schema. */
const serializers = new WeakMap<TSchema, Serialize>()

/**
 * Makes the routes of a scope serialize JSON with their own response schemas. The compiler and the reply serializer of
 * the application have no effect in the scope: both may be unable to read these schemas.
 */
export function useResponseSchemas (scope: FastifyInstance): void {
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
