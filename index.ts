// The public API of the package.

// Loads the type augmentations of @fastify/websocket, so that applications can write `{ websocket: true }` in their own
// routes.
import '@fastify/websocket'

export { fastifyHub, fastifyHub as default, type FastifyHubOptions } from './app.ts'
export { CLOSE, type CloseCode, type CloseReason } from './services/model/close-codes.ts'
export type {
  ClientInfo, ClientPage, ClientQuery, GroupInfo, GroupPage, InboxInfo, MessageStatus
} from './services/model/info.ts'
export { ConfigError } from './services/config/load.ts'
export { JsonText, MAX_JSON_DEPTH } from './services/model/json.ts'
export { ActionError, ERRORS, HubError, type ErrorCode } from './services/model/errors.ts'
export type { ActionHandler, ActionOptions } from './services/hub/commands/actions.ts'
export type { ClientParams, ConnectedClient as Client } from './services/model/client.ts'
export type { HubEvents, Listener } from './services/hub/clients/events.ts'
export type { Hub } from './services/hub/hub.ts'
export type { ClientMessageHandler } from './services/hub/options.ts'
export type { Identity } from './services/model/identity.ts'
export type { Address, ClientId, Group, Offset, Receipt, SendOptions, UserId } from './services/model/message.ts'
export { createToken, type Authenticate, type TokenClaims, type TokenOptions } from './services/auth/token.ts'
