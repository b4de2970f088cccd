import type { Peer } from '../peers.ts'
import { token, userName } from '../rig/token.ts'

/** Returns a row with clients of the reliable subprotocol. */
export function reliable (ours: Peer): Peer {
  return { ...ours, id: 'ours-reliable', name: 'fastify-hub, reliable subprotocol', protocol: 'reliable' }
}

/** Returns a row with clients of Server-Sent Events. */
export function sse (ours: Peer): Peer {
  return { ...ours, id: 'ours-sse', name: 'fastify-hub, Server-Sent Events', protocol: 'sse', path: (client) => `/admin/events?token=${token(client)}` }
}

/**
 * Returns a row with raw clients. They get only messages to their user again, so all are devices of one user, and every
 * message is sent to that user.
 */
export function rawInbox (ours: Peer): Peer {
  return {
    ...ours,
    id: 'ours-raw',
    name: 'fastify-hub, raw clients with an inbox',
    protocol: 'raw',
    path: (client) => `/admin/ws?token=${token(0)}&device=reader-${client}`,
    options: { to: userName(0), inbox: { maxCount: 10_000 } }
  }
}
