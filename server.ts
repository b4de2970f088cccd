#!/usr/bin/env node
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { main } from './services/cli/main.ts'
import type { Config } from './services/config/schema.ts'

/** Time beyond the drain after which the process ends, whatever still hangs. */
const CLOSE_MARGIN_MS = 5000
/** Bytes of log lines that are kept while the output cannot be written. */
const MAX_LOG_BYTES = 1024 ** 2
/**
 * Events that keep their usual effect. SIGUSR2 belongs to the user, a crash has to end the process at once, and
 * `beforeExit` also follows a failed start.
 */
const UNHANDLED_EVENTS = [
  'SIGUSR2', 'SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV', 'beforeExit'
] as closeWithGrace.AllEvents[]

const { stdout, stderr, env } = process
// A reader of `log dump`, such as `head`, may close the pipe before the end.
stdout.on('error', () => process.exit(1))
// The terminal of a running service may close.
stderr.on('error', () => {})
process.exitCode = await main(process.argv.slice(2), { stdout, stderr, env, serve })

/** Starts the service and closes it on a signal. Resolves with the origin on which it listens. */
async function serve (config: Config): Promise<string> {
  let service: FastifyInstance | undefined
  // From the beginning: a terminal that closes during the start must not end the service either.
  process.on('SIGHUP', (signal) => service?.log.info({ signal }, 'the service goes on'))
  // Loaded here, because the other commands answer in half the time without it.
  const [{ default: Fastify }, { pino }, { app, serverOptions }] = await Promise.all([
    import('fastify'), import('pino'), import('./app.ts')
  ])
  const { grace } = config.websocket.drain
  const options = serverOptions(config)
  const output = pino.destination({ dest: 1, sync: true, maxLength: MAX_LOG_BYTES })
  // A full disk or a closed terminal must not end the service.
  output.on('error', () => {})
  const fastify = service = Fastify({ ...options, logger: { ...options.logger, stream: output } })
  const { log } = fastify

  const listen = async (): Promise<string> => {
    await fastify.register(app, { config })
    if (config.auth.mode === 'demo') log.warn('auth.mode is demo: any token of at least 20 characters may connect')
    return fastify.listen(config.server)
  }
  const listening = listen()
  closeWithGrace({
    delay: 2 * grace + CLOSE_MARGIN_MS,
    logger: log,
    skip: ['SIGHUP', ...UNHANDLED_EVENTS],
    onSecondSignal: (signal) => log.warn({ signal }, 'the service ends at once')
  }, async ({ err, signal }) => {
    if (err !== undefined) log.fatal({ err }, 'the service stops because of an error')
    else log.info({ signal }, 'the service stops')
    await listening
    await fastify.close()
  })
  try {
    return await listening
  } catch (error) {
    // Closes the log on disk, so that the next start finds it as after an orderly end.
    await fastify.close().catch(() => {})
    throw error
  }
}
