import type { FastifyInstance } from 'fastify'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

// Large enough that the kernel drops no connection of a storm.
const where = { port: 0, host: '127.0.0.1', backlog: 4096 }

/** Listens on a free port of the loopback interface and resolves with the port. */
export function listen (server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => resolve((server.address() as AddressInfo).port))
  })
}

/** Does the same for a Fastify app. */
export async function listenApp (app: FastifyInstance): Promise<number> {
  return Number(new URL(await app.listen(where)).port)
}
