import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createToken } from '../auth/token.ts'
import { loadConfig, maskSecrets, toYaml } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { parseDuration } from '../config/units.ts'
import { ADMIN_ROLE } from '../model/identity.ts'
import { escapeControls } from '../model/json.ts'
import { ADMIN_TOKEN_HOURS, banner } from './banner.ts'
import { HELP, parseCommandLine, type CommandLine } from './command-line.ts'
import { explain } from './explain.ts'
import { packageVersion } from './package.ts'

/** A stream for text, such as `process.stdout`. */
export interface Output {
  write (text: string): unknown
  readonly isTTY?: boolean
}

/** The process around the command line. */
export interface Surroundings {
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /** Starts the service. Resolves with its origin, for example `http://127.0.0.1:20201`. */
  readonly serve: (config: Config) => Promise<string>
}

/**
 * Executes a command line. Resolves with the exit code; an error is a sentence on `stderr` and exit code 1, or 2 of the
 * command log, whose exit code 1 means a damaged log.
 */
export async function main (argv: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    const line = parseCommandLine(argv)
    if (line.command === 'log') return await inspectLog(line, surroundings)
    await execute(line, surroundings)
    return 0
  } catch (error) {
    surroundings.stderr.write(`${explain(error)}\n`)
    return argv[0] === 'log' ? 2 : 1
  }
}

/** Executes one command. Rejects with an Error whose message is a sentence for the user. */
async function execute (line: Exclude<CommandLine, LogCommand>, surroundings: Surroundings): Promise<void> {
  const { stdout } = surroundings
  switch (line.command) {
    case 'help': return void stdout.write(HELP)
    case 'version': return void stdout.write(`${packageVersion()}\n`)
    case 'token': return printToken(line, surroundings)
    case 'check-config': return void stdout.write(`${loadService(line, surroundings).file ?? 'The defaults'}: the configuration is valid.\n`)
    case 'print-config': return void stdout.write(toYaml(maskSecrets(load(line, surroundings).config)))
    case 'serve': return start(loadService(line, surroundings).config, surroundings)
  }
}

/**
 * Starts the service and prints the banner to stderr: stdout has the log alone. Without a configured secret, a random
 * one is valid for this run.
 */
async function start (config: Config, { stderr, serve }: Surroundings): Promise<void> {
  const isSecretRandom = config.auth.secret === ''
  const auth = isSecretRandom ? { ...config.auth, secret: randomBytes(32).toString('base64url') } : config.auth
  const origin = await serve({ ...config, auth })
  // Collected output is read by others than the operator.
  const mayShowToken = stderr.isTTY === true
  const operator = { user: 'operator', roles: [ADMIN_ROLE], ttlSeconds: ADMIN_TOKEN_HOURS * 3600 }
  stderr.write(banner({
    version: packageVersion(),
    origin,
    path: config.websocket.path,
    api: config.api,
    console: config.console,
    adminToken: mayShowToken ? createToken(auth, operator) : null,
    isSecretRandom,
    isDemo: auth.mode === 'demo'
  }))
}

type TokenCommand = Extract<CommandLine, { command: 'token' }>

/** Prints a token that is signed with the configured secret. */
function printToken ({ config: file, user, roles, ttl }: TokenCommand, surroundings: Surroundings): void {
  const { config: { auth } } = load({ config: file }, surroundings)
  const ttlMs = parseDuration(ttl)
  if (ttlMs === undefined || ttlMs <= 0) {
    throw new Error(`--ttl must be a duration such as 30m, 1h or 7d, not "${ttl}".`)
  }
  if (auth.secret === '') {
    const remedy = 'set it in config.yml, or HUB_AUTH_SECRET, to the value that the service has.'
    throw new Error(`There is no auth.secret to sign with: ${remedy}`)
  }
  surroundings.stdout.write(`${createToken(auth, { user, roles, ttlSeconds: ttlMs / 1000 })}\n`)
}

type LogCommand = Extract<CommandLine, { command: 'log' }>

/** Checks or prints a log. Resolves with the exit code: 0 for an intact log, 1 for a damaged one. */
async function inspectLog (line: LogCommand, surroundings: Surroundings): Promise<number> {
  const { stdout, stderr } = surroundings
  const folder = line.folder ?? load(line, surroundings).config.engine.path
  // Loaded here, because the other commands do not need the engine.
  if (line.action === 'verify') {
    const { verifyLog } = await import('./log/verify.ts')
    const { lines, isDamaged } = await verifyLog(folder, Date.now)
    stdout.write(`${lines.join('\n')}\n`)
    return isDamaged ? 1 : 0
  }
  const { dumpLog } = await import('./log/dump.ts')
  const isIntact = await dumpLog(folder, line.address, {
    write: (lines) => stdout.write(escapeControls(lines)),
    warn: (sentence) => stderr.write(`${sentence}\n`)
  })
  return isIntact ? 0 : 1
}

/** Loads the configuration file, the environment and the flags; warnings go to stderr. */
function load (
  { config: file, flags = {} }: { config: string | undefined, flags?: Record<string, string> },
  { stderr, env }: Surroundings
) {
  const found = file ?? (existsSync('config.yml') ? 'config.yml' : undefined)
  const loaded = loadConfig({ file: found, flags, env })
  for (const warning of loaded.warnings) stderr.write(`${warning}\n`)
  return loaded
}

/**
 * Loads the configuration of the service.
 *
 * @throws {Error} in production without a secret: every restart would make all tokens invalid.
 */
function loadService (line: Parameters<typeof load>[0], surroundings: Surroundings) {
  const loaded = load(line, surroundings)
  if (loaded.config.auth.secret === '' && surroundings.env['NODE_ENV'] === 'production') {
    throw new Error('There is no auth.secret, and NODE_ENV is production: set HUB_AUTH_SECRET, or HUB_AUTH_SECRET_FILE, to a random text of at least 32 characters.')
  }
  return loaded
}
