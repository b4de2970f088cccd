import type { Engine } from '../engine/engine.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { ConnectedClient } from '../model/client.ts'
import type { AdmissionLimits } from './clients/admission.ts'
import type { DrainOptions } from './clients/drain.ts'
import type { HeartbeatOptions } from './clients/heartbeat.ts'
import type { OutboxLimits } from './outbox/outbox.ts'
import type { MaxAges } from './publish/message-status.ts'

/** Limits, times and collaborators of a hub. The defaults are those of the configuration. */
export interface HubOptions extends AdmissionLimits {
  /** The log, the state and the connection to other nodes. */
  readonly engine: Engine
  readonly log: Log
  /** When clients are pinged, and when a silent client is terminated. */
  readonly heartbeat: HeartbeatOptions
  /** How clients are disconnected when the service stops. */
  readonly drain: DrainOptions
  /** Bound of each client's outbox, and the policy over the bound. */
  readonly queue: OutboxLimits
  /** Time in ms for which frames are collected before a write; 0 writes at the end of the tick. */
  readonly flushIntervalMs: number
  /** Largest payload of a message in bytes, in either direction. */
  readonly maxMessageBytes: number
  /** Most messages per second from one client; 0 for no limit. */
  readonly messagesPerSecond: number
  /** Time limit of an action in ms, unless the action has a limit of its own; 0 for no limit. */
  readonly actionTimeoutMs: number
  /** Time in ms for which a lost connection may be resumed. */
  readonly resumeWindowMs: number
  /** Most durable cursors with the scope `everything`, the mailboxes of the configuration; 0 for no limit. */
  readonly maxMailboxes: number
  /** Deliveries of one message in a row that end the connection, at which the message is skipped; 0 for no limit. */
  readonly maxRedeliveries: number
  /** How old messages in the log may become. */
  readonly maxAges: MaxAges
  /** Time in ms for which an idempotency key is kept. */
  readonly idempotencyWindowMs: number
  /** @default the clock of this machine */
  readonly clock?: Clock
}

/**
 * Handles messages of raw clients: a string for a text frame, a Buffer for a binary frame. The next message of the same
 * client waits for a returned promise. An error is logged and does not end the connection.
 */
export type ClientMessageHandler = (client: ConnectedClient, data: string | Buffer) => unknown
