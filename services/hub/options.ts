import type { Clock } from '../lib/clock.ts'
import type { Engine } from '../engine/engine.ts'
import type { Log } from '../lib/log.ts'
import type { Offset } from '../model/message.ts'
import type { AdmissionLimits } from './clients/admission.ts'
import type { Client } from './clients/client.ts'
import type { DrainOptions } from './clients/drain.ts'
import type { HeartbeatOptions } from './clients/heartbeat.ts'
import type { OutboxLimits } from './outbox/outbox.ts'
import type { ResumeClaim, Session } from './store/sessions.ts'

/** Limits, clocks and collaborators of a hub. */
export interface HubOptions extends AdmissionLimits {
  readonly engine: Engine
  readonly log: Log
  readonly heartbeat: Omit<HeartbeatOptions, 'clock'>
  readonly drain: DrainOptions
  readonly queue: OutboxLimits
  /** How long to collect frames before they are written, in ms; 0: until the end of the tick. */
  readonly flushIntervalMs: number
  /** Largest payload of a message in bytes, in either direction. */
  readonly maxMessageBytes: number
  /** Messages per second that one client may send; 0 for no limit. */
  readonly messagesPerSecond: number
  /** How long an action may take, in ms, unless it says otherwise; 0 for no limit. */
  readonly actionTimeoutMs: number
  /** How long a lost connection may be resumed, in ms. */
  readonly resumeWindowMs: number
  /** Mailboxes that there may be; 0 for no limit. */
  readonly maxMailboxes: number
  /** How long an idempotency key is remembered, in ms. */
  readonly idempotencyWindowMs: number
  readonly clock?: Clock
}

/** Where a connection begins. Without anything, it is a new one of a device without a name. */
export interface OpenOptions {
  /** What the device calls itself: its connections have a place of their own in the inbox. */
  readonly device?: string
  /** The client has everything up to here, by its own account. */
  readonly after?: Offset
  /** What is said above this offset concerns it, although it is new. */
  readonly since?: Offset
  /** The connection that it resumes. */
  readonly resumed?: { readonly claim: ResumeClaim, readonly session: Session }
}

/** Takes over what raw clients say. */
export type ClientMessageHandler = (client: Client, data: string | Buffer) => unknown
