import { parseArgs } from 'node:util'
import { didYouMean } from '../config/faults.ts'
import { leaves } from '../config/model.ts'

/** A parsed command line. */
export type CommandLine = ServiceCommand | TokenCommand | LogCommand | { readonly command: 'help' | 'version' }

/** Starts the service, or checks or prints its configuration. */
interface ServiceCommand {
  readonly command: 'serve' | 'check-config' | 'print-config'
  /** Path of the configuration file; undefined for config.yml in the working directory. */
  readonly config: string | undefined
  /** Configuration flags by key: `{ 'server.port': '9000' }`. */
  readonly flags: Record<string, string>
}

/** Prints a token. */
interface TokenCommand {
  readonly command: 'token'
  /** Path of the configuration file; undefined for config.yml in the working directory. */
  readonly config: string | undefined
  readonly user: string
  readonly roles: string[]
  /** Validity of the token, as a duration such as `1h`. */
  readonly ttl: string
}

/** Checks or prints a log on disk. */
interface LogCommand {
  readonly command: 'log'
  readonly action: 'verify' | 'dump'
  /** Path of the configuration file; undefined for config.yml in the working directory. */
  readonly config: string | undefined
  /** Folder of the log; undefined for engine.path of the configuration. */
  readonly folder: string | undefined
  /** The key of an address whose records alone are printed; undefined for all records. */
  readonly address: string | undefined
}

/** The text of `fastify-hub --help`. */
export const HELP = `fastify-hub: a push hub over WebSocket and Server-Sent Events

Usage
  fastify-hub [options]                      start the service
  fastify-hub token --user NAME [options]    print a token for the configured secret
  fastify-hub log verify [FOLDER]            check every file of a log on disk; exit code 1 for damage
  fastify-hub log dump [FOLDER] [options]    print the records of a log on disk, one JSON object a line

Options of the service
  --config FILE      configuration file (default: config.yml in this folder, if it exists)
  --host ADDRESS     address to listen on (server.host)
  --port PORT        port to listen on (server.port)
  --check-config     check the configuration and exit
  --print-config     print the configuration in force, secrets masked, and exit

Options of token
  --user NAME        user id of the token
  --role ROLE        a role; may be repeated ("admin" may use the REST API)
  --ttl DURATION     validity of the token (default 1h)
  --config FILE      configuration file with the secret, unless HUB_AUTH_SECRET is set

Options of log, which only reads, also beside a running service
  FOLDER             folder of the log (default: engine.path of the configuration)
  --address ADDRESS  records of one address only: all, user:…, group:… or client:… (dump)
  --config FILE      configuration file with engine.path

  --version, --help
`

const FLAGS = {
  config: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'check-config': { type: 'boolean' },
  'print-config': { type: 'boolean' },
  user: { type: 'string' },
  role: { type: 'string', multiple: true },
  ttl: { type: 'string' },
  address: { type: 'string' },
  version: { type: 'boolean' },
  help: { type: 'boolean' }
} as const

/**
 * Parses the arguments of the command line, without the paths of Node and of the program.
 *
 * @throws {Error} with a full sentence, when the arguments are unknown or contradict each other.
 */
export function parseCommandLine (args: readonly string[]): CommandLine {
  const { values, positionals } = parse(args)
  if (values.help === true) return { command: 'help' }
  if (values.version === true) return { command: 'version' }

  const { config, user, role: roles = [], ttl = '1h' } = values
  const [command, ...rest] = positionals
  if (command === 'log') return parseLog(rest, values)
  if (values.address !== undefined) throw new Error('--address belongs to: fastify-hub log dump')
  if (rest.length > 0 || (command !== undefined && command !== 'token')) {
    throw new Error(`There is no command "${positionals.join(' ')}"; see --help.`)
  }
  if (command === 'token') {
    if (user === undefined || user === '') throw new Error('Name the user of the token: fastify-hub token --user alice')
    return { command, config, user, roles, ttl }
  }
  if (user !== undefined || roles.length > 0 || values.ttl !== undefined) {
    throw new Error('--user, --role and --ttl belong to: fastify-hub token')
  }

  const flags: Record<string, string> = {}
  if (values.host !== undefined) flags['server.host'] = values.host
  if (values.port !== undefined) flags['server.port'] = values.port
  if (values['check-config'] === true) return { command: 'check-config', config, flags }
  return { command: values['print-config'] === true ? 'print-config' : 'serve', config, flags }
}

/** Splits the arguments into flags and other words. */
function parse (args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: FLAGS })
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    if (error.code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw new Error(`${error.message}; see --help.`, { cause: error })
    const [, flag = ''] = /'(-[^']*)'/.exec(error.message) ?? []
    throw new Error(unknownFlag(flag), { cause: error })
  }
}

/** The sentence about an unknown flag. */
function unknownFlag (flag: string): string {
  const name = flag.replace(/^-+/, '')
  const key = leaves.find(({ path }) => path === name)
  if (key !== undefined) return `The key ${name} has no flag: set ${key.variable}, or the key in config.yml.`
  return `There is no flag ${flag}${didYouMean(name, Object.keys(FLAGS), '--').replace(/\?$/, '')}; see --help.`
}

/** Parses the arguments behind `log`. */
function parseLog (
  [action, folder, ...rest]: readonly string[],
  { config, address, ...others }: { readonly config?: string, readonly address?: string }
): LogCommand {
  if ((action !== 'verify' && action !== 'dump') || rest.length > 0 || folder === '') {
    throw new Error('Write fastify-hub log verify [FOLDER], or fastify-hub log dump [FOLDER]; see --help.')
  }
  const [other] = Object.keys(others)
  if (other !== undefined) throw new Error(`--${other} does not belong to: fastify-hub log ${action}`)
  if (address !== undefined && action === 'verify') throw new Error('--address belongs to: fastify-hub log dump')
  if (address !== undefined && !/^(all$|(user|group|client):.)/s.test(address)) {
    throw new Error(`--address must be all, user:…, group:… or client:…, not "${address}".`)
  }
  return { command: 'log', action, config, folder, address }
}
