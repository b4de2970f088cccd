import { quote } from './faults.ts'

/** Keys of the configuration that have no meaning in the plugin, each with the remedy. */
const KEYS_OF_SERVICE = {
  server: 'your application listens by itself: pass host and port to app.listen(), and trustProxy to Fastify()',
  logger: 'the hub uses the logger of your application: pass logger to Fastify()',
  console: 'only the service has the console: run npx fastify-hub'
}

/** Options that `pluginFaults` checks. */
export interface CheckedOptions {
  readonly prefix?: unknown
  readonly authenticate?: unknown
  readonly auth?: { readonly secret?: unknown } | undefined
}

/** Returns the faults of the plugin's options that are no faults of the configuration of the service. */
export function pluginFaults (options: CheckedOptions): string[] {
  const { prefix, authenticate, auth } = options
  const faults = Object.entries(KEYS_OF_SERVICE).flatMap(([key, remedy]) => {
    return key in options && Reflect.get(options, key) !== undefined ? [`options.${key}: is no option of the plugin; ${remedy}`] : []
  })
  if (prefix !== undefined && !(typeof prefix === 'string' && /^[^\s?#*]*$/.test(prefix))) {
    faults.push(`options.prefix: must be the beginning of a path such as /push, not ${quote(prefix)}`)
  }
  if (authenticate !== undefined && typeof authenticate !== 'function') {
    faults.push(`options.authenticate: must be a function (token, request) that returns an identity or null, not ${quote(authenticate)}`)
  }
  if (authenticate === undefined && typeof auth === 'object' && 'secret' in auth && auth.secret === undefined) {
    faults.push('options.auth.secret: is undefined; set the environment variable that it is read from to at least 32 characters, such as the output of `openssl rand -hex 32`')
  }
  return faults
}
