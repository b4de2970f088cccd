import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../services/config/schema.ts'
import type { Engine } from '../services/engine/engine.ts'
import { DRAIN_STEP_MS } from '../services/hub/clients/drain.ts'
import { Hub } from '../services/hub/hub.ts'
import { HubNode } from '../services/hub/node.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The hub: its clients, and the methods that publish to them. */
    hub: Hub
  }
}

/** Share of Fastify's `pluginTimeout` that a drain may take. */
const DRAIN_SHARE = 0.8

/**
 * Creates this node of the hub from the configuration.
 *
 * @param shortestPingMs Shortest ping period of all protocols in ms; undefined where every protocol uses
 * `websocket.pingPeriod`.
 */
export function createNode (
  { initialConfig, log }: FastifyInstance,
  { engine: { maxAge }, websocket, inbox, idempotency }: Config,
  engine: Engine,
  shortestPingMs: number | undefined
): HubNode {
  // Fastify abandons close() when a hook takes longer than pluginTimeout; 0 is no timeout.
  const { pluginTimeout = 10_000 } = initialConfig
  const maxDrainMs = pluginTimeout === 0 ? Infinity : pluginTimeout * DRAIN_SHARE

  return new HubNode({
    engine,
    log,
    heartbeat: {
      pingPeriodMs: websocket.pingPeriod,
      maxUnanswered: websocket.heartbeatFailMaxTimes,
      readDeadlineMs: websocket.readDeadline,
      writeDeadlineMs: websocket.writeDeadline,
      shortestPingMs
    },
    drain: { graceMs: Math.min(websocket.drain.grace, maxDrainMs), batch: drainBatch(websocket) },
    queue: {
      maxBytes: websocket.maxQueueSize,
      maxWrites: websocket.maxQueueWrites,
      policy: websocket.slowClient
    },
    flushIntervalMs: websocket.flushInterval,
    maxMessageBytes: websocket.maxMessageSize,
    maxClients: websocket.maxClients,
    maxClientsPerUser: websocket.maxClientsPerUser,
    messagesPerSecond: websocket.messagesPerSecond,
    actionTimeoutMs: websocket.actionTimeout,
    resumeWindowMs: websocket.resumeWindow,
    maxMailboxes: inbox.maxMailboxes,
    maxRedeliveries: inbox.maxRedeliveries,
    maxAges: { inboxMs: inbox.maxAge, logMs: maxAge },
    idempotencyWindowMs: idempotency.window
  })
}

/** Clients per step of a drain: not more than the next process, with the same limits, takes back in that time. */
function drainBatch ({ drain, upgradesPerSecond }: Config['websocket']): number {
  if (upgradesPerSecond === 0) return drain.batch
  return Math.min(drain.batch, Math.max(1, Math.floor(upgradesPerSecond * DRAIN_STEP_MS / 1000)))
}

/**
 * Adds `fastify.hub`. The node takes clients once the application is ready, and drains them before the application
 * closes.
 */
export const hub = fp<{ node: HubNode }>(async function hub (fastify, { node }) {
  fastify.decorate('hub', new Hub(node))
  fastify.addHook('onReady', async () => node.start())
  fastify.addHook('preClose', () => node.drain())
  // A connection that is kept after the response to a request under way would delay the close of the server.
  fastify.addHook('onSend', ({ raw }, reply, _payload, done) => {
    if ((node.state === 'draining' || node.state === 'closed') && raw.httpVersionMajor === 1) reply.header('connection', 'close')
    done()
  })
}, { name: 'fastify-hub-hub', fastify: '5.x' })
