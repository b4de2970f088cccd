import fp from 'fastify-plugin'
import type { Config } from '../services/config/schema.ts'
import { Hub } from '../services/hub/hub.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The hub: its clients, and the methods that publish to them. */
    hub: Hub
  }
}

/** Options of the hub plugin. */
export interface HubPluginOptions {
  readonly config: Pick<Config, 'websocket' | 'inbox' | 'idempotency'>
  /** Shortest ping period of all protocols in ms; undefined where every protocol uses `websocket.pingPeriod`. */
  readonly shortestPingMs: number | undefined
}

/** Share of Fastify's `pluginTimeout` that a drain may take. */
const DRAIN_SHARE = 0.8

/**
 * Adds `fastify.hub`. The hub takes clients once the application is ready, and drains them before the application
 * closes.
 */
export const hub = fp<HubPluginOptions>(async function hub (fastify, { config, shortestPingMs }) {
  const { websocket, inbox, idempotency } = config
  // Fastify abandons close() when a hook takes longer than pluginTimeout; 0 is no timeout.
  const { pluginTimeout = 10_000 } = fastify.initialConfig
  const maxDrainMs = pluginTimeout === 0 ? Infinity : pluginTimeout * DRAIN_SHARE

  const instance = new Hub({
    engine: fastify.engine,
    log: fastify.log,
    heartbeat: {
      pingPeriodMs: websocket.pingPeriod,
      maxUnanswered: websocket.heartbeatFailMaxTimes,
      readDeadlineMs: websocket.readDeadline,
      writeDeadlineMs: websocket.writeDeadline,
      shortestPingMs
    },
    drain: { graceMs: Math.min(websocket.drain.grace, maxDrainMs), batch: websocket.drain.batch },
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
    idempotencyWindowMs: idempotency.window
  })
  fastify.decorate('hub', instance)
  fastify.addHook('onReady', async () => instance.start())
  fastify.addHook('preClose', () => instance.drain())
}, {
  name: 'fastify-hub-hub',
  fastify: '5.x',
  dependencies: ['fastify-hub-engine'],
  decorators: { fastify: ['engine'] }
})
