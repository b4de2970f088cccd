import type { AddressKey } from '../../services/model/message.ts'
import type { Random } from '../soak/random.ts'
import type { Journal } from './journal.ts'
import type { Link } from './link.ts'
import type { CrashTrigger } from './crash-trigger.ts'
import type { Recorder } from './recorder.ts'

/** What happened to the connections of a client. */
export interface ConnectionCounts {
  /** Connections that were greeted as new ones. */
  opened: number
  /** Connections that went on where another one was. */
  resumed: number
  /** Sessions that the hub would not resume. */
  startedOver: number
}

/** A client that connects again whenever it is cut, and writes down what it gets. */
export interface Subject {
  /** How it speaks, for the report. */
  readonly kind: 'raw' | 'plain' | 'npm plain' | 'npm reliable' | 'reliable' | 'sse'
  readonly user: string
  readonly recorder: Recorder
  readonly link: Link
  readonly counts: ConnectionCounts
  start (): void
  stop (): void
}

/** What a client is made from. */
export interface SubjectOptions {
  readonly user: string
  /** '' for none. */
  readonly device: string
  /** Groups that the user is a client of before it comes. */
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

/** How long a client waits before it connects again, in ms. */
export function reconnectDelayMs (random: Random): number {
  return random.pick(0, random.between(0, 50), random.between(50, 500))
}

/** The addresses whose messages are for a client from the beginning. */
export function addressesOf ({ user, groups }: Pick<SubjectOptions, 'user' | 'groups'>): AddressKey[] {
  return ['all', `user:${user}`, ...groups.map((group) => `group:${group}`)]
}
