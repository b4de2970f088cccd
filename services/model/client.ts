import type { CloseReason } from './close-codes.ts'
import type { Identity } from './identity.ts'
import type { ClientId, Group } from './message.ts'

/**
 * Data that an application keeps with a connection, in `client.params`. Applications add fields by declaration merging.
 *
 * @example
 * declare module 'fastify-hub' {
 *   interface ClientParams { tenant: string }
 * }
 * fastify.hub.on('open', (client) => { client.params.tenant = 'acme' })
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- empty on purpose: applications add the fields
export interface ClientParams {}

/** One live connection of this node, over WebSocket or Server-Sent Events. The package exports the type as `Client`. */
export interface ConnectedClient {
  /** Id of the connection. Later connections have greater ids; a resumed connection keeps the id. */
  readonly id: ClientId
  /** Identity from the token: user id, roles, groups and expiry. */
  readonly identity: Identity
  /**
   * Data that the application keeps with the connection; the hub does not read this object.
   *
   * @default {}
   */
  readonly params: Partial<ClientParams>
  /** Whether the connection still accepts frames: false as soon as either side has begun to close. */
  readonly isOpen: boolean
  /** Groups of which the client is a member at this moment, in a new array. */
  readonly groups: Group[]

  /**
   * Sends a reply to this connection alone, outside the log. Without effect once the connection has begun to close.
   *
   * @param data - string: text frame as it is; `Uint8Array`: binary frame; any other value: the JSON of the value
   * @throws {HubError} HUB_REQUEST_INVALID for a value without JSON (`undefined`, functions, cycles, bigint)
   * @example
   * fastify.hub.onMessage((client, data) => client.reply({ received: String(data) }))
   */
  reply (data: unknown): void

  /**
   * Closes the connection in order: writes the queued frames, then the close notice of the protocol and the Close
   * frame. Without effect when the hub has ended the connection already.
   *
   * @param closeReason - close code that an application may send (1000, or 3000 to 4999; RFC 6455 section 7.4), and a
   *   reason, cut to the 123 bytes of a Close frame
   * @throws {HubError} HUB_REQUEST_INVALID for another code, and for a reason that is no text. The connection stays
   *   open.
   * @example
   * client.close({ code: 4000, reason: 'signed out' })
   */
  close (closeReason: CloseReason): void
}
