import type { FastifyInstance } from 'fastify'
import type { DropArgument } from 'node:net'
import type { Config } from '../services/config/schema.ts'
import { fitSockets, readOpenFileLimit } from '../services/transport/http/open-files.ts'
import { refusalLogOf } from '../services/transport/http/refusal-log.ts'

/** Returns the configured `maxClients`, or warns and returns as many clients as the process can have files open for. */
export function fitClients ({ log }: FastifyInstance, config: Config): number {
  const { maxClients: configured } = config.websocket
  const openFileLimit = readOpenFileLimit()
  const { maxClients } = fitSockets(configured, logBytesOf(config), openFileLimit)
  if (maxClients !== configured) {
    const remedy = 'raise the limit (ulimit -n, or LimitNOFILE of systemd), or lower websocket.maxClients'
    const limit = configured === 0 ? '0 (no limit)' : configured
    const fact = `websocket.maxClients is ${limit}, but the limit of open files allows ${maxClients} clients`
    log.warn({ openFileLimit, maxClients }, `${fact}: ${remedy}`)
  }
  return maxClients
}

/**
 * Makes the server close connections at once beyond the number for which the process can have files open, so that
 * clients without a token cannot take the files of the log.
 */
export function limitConnections (fastify: FastifyInstance, config: Config): void {
  const { maxConnections } = fitSockets(config.websocket.maxClients, logBytesOf(config), readOpenFileLimit())
  if (maxConnections === Infinity) return
  fastify.server.maxConnections = maxConnections
  fastify.server.on('drop', (dropped?: DropArgument) => {
    const reason = 'The process has as many connections as its limit of open files allows.'
    const fields = { address: dropped?.remoteAddress, code: 'HUB_FULL', reason }
    refusalLogOf(fastify).add('HUB_FULL', fields, 'connection closed')
  })
}

/** Largest size of the log on disk in bytes. */
function logBytesOf ({ engine: { kind, maxSize } }: Config): number {
  return kind === 'file' ? 2 * maxSize : 0
}
