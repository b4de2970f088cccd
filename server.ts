#!/usr/bin/env node
import closeWithGrace from 'close-with-grace'
import { main } from './services/cli/main.ts'
import type { Config } from './services/config/schema.ts'

/** Time beyond the drain after which the process ends, whatever still hangs. */
const CLOSE_MARGIN_MS = 5000

const { stdout, stderr, env } = process
// A reader of `log dump`, such as `head`, may close the pipe before the end.
stdout.on('error', () => process.exit(1))
process.exitCode = await main(process.argv.slice(2), { stdout, stderr, env, serve })

/** Starts the service and closes it on a signal. Resolves with the origin on which it listens. */
async function serve (config: Config): Promise<string> {
  // Loaded here, because the other commands answer in half the time without it.
  const [{ default: Fastify }, { app, serverOptions }] = await Promise.all([import('fastify'), import('./app.ts')])
  const { grace } = config.websocket.drain
  const fastify = Fastify(serverOptions(config))
  await fastify.register(app, { config })

  if (config.auth.mode === 'demo') fastify.log.warn('auth.mode is demo: any token of at least 20 characters may connect')
  const origin = await fastify.listen(config.server)
  closeWithGrace({ delay: 2 * grace + CLOSE_MARGIN_MS, logger: fastify.log }, async ({ err, signal }) => {
    if (err !== undefined) fastify.log.fatal({ err }, 'the service stops because of an error')
    else fastify.log.info({ signal }, 'the service stops')
    await fastify.hub.drain()
    // Requests that are still being sent when the clients are gone get the same grace.
    setTimeout(() => fastify.server.closeAllConnections(), grace).unref()
    await fastify.close()
  })
  return origin
}
