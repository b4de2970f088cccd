import fp from 'fastify-plugin'
import type { Config } from '../services/config/schema.ts'
import { Hub } from '../services/hub/hub.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Who is connected, and the verbs to reach them. */
    hub: Hub
  }
}

/** `fastify.hub`: welcomes clients once the application is ready, sends them away before it closes. */
export const hub = fp<{ config: Pick<Config, 'websocket' | 'inbox' | 'idempotency'>, shortestPingMs: number | undefined }>(async function hub (fastify, { config: { inbox, idempotency, websocket: config }, shortestPingMs }) {
  // Fastify gives up close() when a hook takes longer than its pluginTimeout.
  const { pluginTimeout = 10_000 } = fastify.initialConfig
  const longestDrainMs = pluginTimeout === 0 ? Infinity : pluginTimeout * 0.8
  const instance = new Hub({
    engine: fastify.engine,
    log: fastify.log,
    heartbeat: {
      pingPeriodMs: config.pingPeriod,
      maxUnanswered: config.heartbeatFailMaxTimes,
      readDeadlineMs: config.readDeadline,
      writeDeadlineMs: config.writeDeadline,
      shortestPingMs
    },
    drain: { graceMs: Math.min(config.drain.grace, longestDrainMs), batch: config.drain.batch },
    queue: { maxBytes: config.maxQueueSize, maxWrites: config.maxQueueWrites, policy: config.slowClient },
    flushIntervalMs: config.flushInterval,
    maxMessageBytes: config.maxMessageSize,
    maxClients: config.maxClients,
    maxClientsPerUser: config.maxClientsPerUser,
    messagesPerSecond: config.messagesPerSecond,
    actionTimeoutMs: config.actionTimeout,
    resumeWindowMs: config.resumeWindow,
    maxMailboxes: inbox.maxMailboxes,
    idempotencyWindowMs: idempotency.window
  })
  fastify.decorate('hub', instance)
  fastify.addHook('onReady', async () => instance.start())
  fastify.addHook('preClose', () => instance.drain())
}, { name: 'fastify-hub-hub', fastify: '5.x', dependencies: ['fastify-hub-engine'] })
