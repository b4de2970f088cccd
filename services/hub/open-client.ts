import { RateLimit } from '../lib/rate-limit.ts'
import type { Identity } from '../model/identity.ts'
import type { Offset } from '../model/message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { Client } from './clients/client.ts'
import { Cursor } from './clients/cursor.ts'
import type { Node } from './node.ts'
import type { OpenOptions } from './options.ts'
import type { Connection } from './outbox/connection.ts'
import { Outbox } from './outbox/outbox.ts'
import type { Session } from './store/sessions.ts'

/**
 * Opens a client on a connection of this node. The greeting is the first frame; then the client catches up from the
 * start position and becomes live.
 */
export function openClient (
  node: Node,
  connection: Connection,
  identity: Identity,
  protocol: Protocol,
  { device = '', after, since, resumed }: OpenOptions
): Client {
  const { acknowledgements, catchUp, clock, fanOut, heartbeat, registry, sessions } = node
  const { engine, messagesPerSecond, queue } = node.options
  // Deferred messages are older than this client: delivered now, these messages reach earlier clients only.
  fanOut.flusher.runDeferred()
  const client = new Client({
    id: resumed?.claim.clientId ?? node.nextId(),
    identity,
    protocol,
    connection,
    device: resumed?.session.device ?? device,
    cursor: startCursor(engine.head, after, since, resumed?.session),
    outbox: new Outbox(connection, fanOut.flusher, queue),
    messageRate: new RateLimit(messagesPerSecond),
    catchUp,
    clock,
    log: node.options.log
  })
  client.greet(protocol.isResumable ? sessions.open(client, resumed?.claim.token) : null)
  registry.add(client)
  heartbeat.add(client)
  if (after !== undefined) acknowledgements.acknowledge(client, after)
  catchUp.begin(client)
  return client
}

function startCursor (head: Offset, after?: Offset, since?: Offset, session?: Session): Cursor {
  if (session !== undefined) return Cursor.resumed(session)
  return since === undefined ? Cursor.at(head, after) : Cursor.since(since)
}
