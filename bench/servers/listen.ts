import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How many connections may wait to be accepted, for every server that can be told: a storm must not be lost in the kernel. */
export const backlog = 4096

/** Listens on a free port of the loopback interface and resolves with the port. */
export function listen (server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: 0, host: '127.0.0.1', backlog }, () => resolve((server.address() as AddressInfo).port))
  })
}
