#!/usr/bin/env node
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import closeWithGrace from 'close-with-grace'
import Fastify from 'fastify'
import { app, serverOptions } from './app.ts'
import { ADMIN_TOKEN_HOURS, banner } from './services/banner.ts'
import { HELP, parseCommandLine, type CommandLine } from './services/command-line.ts'
import { loadConfig, maskSecrets, toYaml } from './services/config/load.ts'
import type { Config } from './services/config/schema.ts'
import { parseDuration } from './services/config/units.ts'
import { ADMIN_ROLE } from './services/identity.ts'
import { packageVersion } from './services/package.ts'
import { createToken } from './services/token.ts'

/** Time beyond the drain after which the process ends, whatever still hangs. */
const CLOSE_MARGIN_MS = 5000

await main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`)
  process.exitCode = 1
})

async function main (): Promise<void> {
  const line = parseCommandLine(process.argv.slice(2))
  switch (line.command) {
    case 'help': return print(HELP)
    case 'version': return print(`${packageVersion()}\n`)
    case 'token': return printToken(line)
    case 'check-config': return print(`${load(line).file ?? 'The defaults'}: the configuration is valid.\n`)
    case 'print-config': return print(toYaml(maskSecrets(load(line).config)))
    case 'serve': return serve(load(line).config)
  }
}

async function serve (config: Config): Promise<void> {
  const isSecretRandom = config.auth.secret === ''
  const auth = isSecretRandom ? { ...config.auth, secret: randomBytes(32).toString('base64url') } : config.auth
  const { grace } = config.websocket.drain
  const fastify = Fastify(serverOptions(config))
  await fastify.register(app, { config: { ...config, auth } })

  if (auth.mode === 'demo') fastify.log.warn('auth.mode is demo: any token of at least 20 characters may connect')
  const origin = await fastify.listen(config.server)
  closeWithGrace({ delay: 2 * grace + CLOSE_MARGIN_MS, logger: fastify.log }, async ({ err, signal }) => {
    if (err !== undefined) fastify.log.fatal({ err }, 'the service stops because of an error')
    else fastify.log.info({ signal }, 'the service stops')
    await fastify.hub.drain()
    // Whoever is still sending a request when the clients have gone gets as much time as they had.
    setTimeout(() => fastify.server.closeAllConnections(), grace).unref()
    await fastify.close()
  })

  print(banner({
    version: packageVersion(),
    origin,
    path: config.websocket.path,
    api: config.api,
    console: config.console,
    // Of a secret that lasts, a token is shown to a person only, never to what collects the output.
    adminToken: isSecretRandom || process.stdout.isTTY ? createToken(auth, { user: 'operator', roles: [ADMIN_ROLE], ttlSeconds: ADMIN_TOKEN_HOURS * 3600 }) : null,
    isSecretRandom,
    isDemo: auth.mode === 'demo'
  }))
}

function printToken ({ config: file, user, roles, ttl }: Extract<CommandLine, { command: 'token' }>): void {
  const { config: { auth } } = load({ config: file })
  const ttlMs = parseDuration(ttl)
  if (ttlMs === undefined || ttlMs <= 0) throw new Error(`--ttl must be a duration such as 30m, 1h or 7d, not "${ttl}".`)
  if (auth.secret === '') throw new Error('There is no auth.secret to sign with: set it in config.yml, or HUB_AUTH_SECRET, to the value that the service has.')
  print(`${createToken(auth, { user, roles, ttlSeconds: ttlMs / 1000 })}\n`)
}

function load ({ config: file, flags = {} }: { config: string | undefined, flags?: Record<string, string> }) {
  const found = file ?? (existsSync('config.yml') ? 'config.yml' : undefined)
  const loaded = loadConfig({ file: found, flags })
  for (const warning of loaded.warnings) process.stderr.write(`${warning}\n`)
  return loaded
}

function explain (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && error.code === 'EADDRINUSE') return `${error.message}. Choose another port with --port or server.port, or stop what listens there.`
  return error.message
}

function print (text: string): void {
  process.stdout.write(text)
}
