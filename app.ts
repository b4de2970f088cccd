import { LogController, type FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import { registerHub } from './fastify-hub.ts'
import { sendClientError, sendError, errors, notFound } from './plugins/errors.ts'
import { securityHeaders } from './plugins/security-headers.ts'
import { consoleFiles } from './plugins/static.ts'
import { healthRoutes } from './routes/health.ts'
import type { Config } from './services/config/schema.ts'

/** The service as one plugin: the hub, its REST API, health and the console, as the configuration says. */
export const app = fp<{ config: Config }>(async (fastify, { config }) => {
  await fastify.register(errors)
  await fastify.register(notFound)
  await registerHub(fastify, { config })

  await fastify.register(async (open) => {
    await open.register(securityHeaders)
    if (config.api) await open.register(healthRoutes)
    if (config.console) await open.register(consoleFiles)
  })
}, { name: 'fastify-hub-app', fastify: '5.x' })

/** Options of the Fastify instance that the service runs in: secrets stay out of the log, everything has a limit. */
export function serverOptions ({ logger, server, websocket }: Config) {
  return {
    logger: {
      level: logger.level,
      serializers: {
        // The path alone: a query may carry a token under any spelling.
        req: ({ method, url, ip, id }: { method: string, url: string, ip: string, id: string }) => ({ method, path: url.split('?', 1)[0], remoteAddress: ip, id })
      }
    },
    logController: new LogController({ disableRequestLogging: !logger.requests }),
    frameworkErrors: sendError,
    clientErrorHandler: sendClientError,
    trustProxy: server.trustProxy,
    pluginTimeout: 2 * websocket.drain.grace + 10_000,
    requestTimeout: 30_000,
    keepAliveTimeout: 5000,
    http: { highWaterMark: websocket.writeReadBufferSize },
    routerOptions: { maxParamLength: 256 }
  } satisfies FastifyServerOptions & { http: { highWaterMark: number } }
}
