import type { AddressKey } from '../../services/model/message.ts'
import type { Random } from '../support/random.ts'
import type { Journal } from './journal.ts'
import type { Link } from './link.ts'
import type { CrashTrigger } from './crash-trigger.ts'
import type { Recorder } from './recorder.ts'

/** Counts of the connections of a client. */
export interface ConnectionCounts {
  /** Connections that were greeted as new. */
  opened: number
  /** Connections that resumed an earlier connection. */
  resumed: number
  /** Sessions that the hub refused to resume. */
  startedOver: number
}

/** A client that reconnects after each cut and records its messages. */
export interface Subject {
  /** Protocol of the client, for the report. */
  readonly kind: 'raw' | 'plain' | 'npm plain' | 'npm reliable' | 'reliable' | 'sse'
  readonly user: string
  readonly recorder: Recorder
  readonly link: Link
  readonly counts: ConnectionCounts
  start (): void
  stop (): void
}

/** Identity and collaborators of a client. */
export interface SubjectOptions {
  readonly user: string
  /** '' for a client without a device. */
  readonly device: string
  /** Groups of the user before the client connects. */
  readonly groups: readonly string[]
  readonly link: Link
  readonly recorder: Recorder
  readonly journal: Journal
  readonly crashTrigger: CrashTrigger
  readonly random: Random
}

export const RELIABLE_SUBPROTOCOL = 'json.reliable.webpubsub.azure.v1'
export const PLAIN_SUBPROTOCOL = 'json.webpubsub.azure.v1'

export function newConnectionCounts (): ConnectionCounts {
  return { opened: 0, resumed: 0, startedOver: 0 }
}

/** Delay before a client reconnects, in ms. */
export function reconnectDelayMs (random: Random): number {
  return random.pick(0, random.between(0, 50), random.between(50, 500))
}

/** Addresses whose messages a client receives from the beginning. */
export function addressesOf ({ user, groups }: Pick<SubjectOptions, 'user' | 'groups'>): AddressKey[] {
  return ['all', `user:${user}`, ...groups.map((group) => `group:${group}`)]
}
