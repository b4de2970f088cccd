import type { Address, ClientId, Group, Offset } from '../../../../services/model/message.ts'
import { RESUME_WINDOW_MS } from './rig.ts'

/** The user of the client. */
export const USER = 'alice'

/** A message that the hub has published. */
export interface Published {
  readonly offset: Offset
  readonly address: Address
  readonly data: string
  readonly keep: boolean
  readonly expiresAt: number
  readonly except: readonly ClientId[]
}

/** Whether the client has to receive a message, or may receive the message. */
type Certainty = 'must' | 'may'

/** A message as the client has read it. */
export interface Read {
  readonly offset: Offset
  readonly data: string
}

/** The position of a connection: which messages concern the client. */
interface Position {
  readonly id: ClientId
  readonly since: Offset
  readonly inboxSince: Offset
  readonly groups: Map<Group, Offset>
}

interface Live extends Position {
  /** Messages that the connection has to deliver, or may deliver, by offset. */
  readonly expected: Map<Offset, Certainty>
  isFrozen: boolean
}

interface Lost extends Position {
  readonly acknowledged: Offset
  readonly endsAt: number
}

/**
 * The messages that one client has to receive, by the documented promises alone: each message of the log that concerns
 * the client above its position, once, in the order of the offsets. A message is uncertain while the client does not
 * read, if the message is not kept, expires, is purged, or belongs to a group that the client leaves.
 */
export class Model {
  live: Live | null = null
  lost: Lost | null = null
  /** The durable cursor of the user's inbox. */
  inboxCursor: Offset = 0
  /** The messages that the log holds. */
  #log: Published[] = []
  /** The data of all messages, purged messages included. */
  readonly #data = new Map<Offset, string>()
  readonly #joined = new Map<Group, Offset>()
  readonly #left = new Map<Group, Offset>()

  /** A new connection: it starts at the head of the log, and at the durable cursor in the inbox. */
  connect (id: ClientId, head: Offset, now: number): void {
    const groups = new Map([...this.#joined.keys()].map((group) => [group, head]))
    this.#begin({ id, since: head, inboxSince: this.inboxCursor, groups }, 0, now)
  }

  /** Whether a lost connection can be resumed. */
  canResume (now: number): boolean {
    return this.lost !== null && this.lost.endsAt > now
  }

  /** A resumed connection continues above the last acknowledgement, with its groups. */
  resume (now: number): void {
    const { lost } = this
    if (lost === null) throw new Error('nothing to resume')
    const groups = new Map([...lost.groups].filter(([group, since]) => since > (this.#left.get(group) ?? -1)))
    for (const [group, since] of this.#joined) if (!groups.has(group)) groups.set(group, Math.max(since, lost.since))
    this.#begin({ ...lost, groups }, lost.acknowledged, now)
  }

  /** The connection is lost. `acknowledged`: the greatest offset that the client acknowledged on this connection. */
  lose (acknowledged: Offset, now: number): void {
    if (this.live === null) return
    const { id, since, inboxSince, groups } = this.live
    this.lost = { id, since, inboxSince, groups, acknowledged, endsAt: now + RESUME_WINDOW_MS }
    this.live = null
  }

  /** The hub has ended the connection. */
  end (): void {
    this.live = this.lost = null
  }

  /** `isAlone`: no other message is published at the same moment. */
  publish (message: Published, isAlone: boolean): void {
    this.#log.push(message)
    this.#data.set(message.offset, message.data)
    const { live } = this
    if (live === null || !this.#concerns(live, message)) return
    const isSurplus = !message.keep && (live.isFrozen || !isAlone)
    live.expected.set(message.offset, isSurplus ? 'may' : 'must')
  }

  join (group: Group, head: Offset): void {
    if (this.live?.groups.has(group) === false) this.live.groups.set(group, head)
    this.#left.delete(group)
  }

  leave (group: Group): void {
    if (this.live?.groups.delete(group) === true) this.#loosen(isToGroup(group))
  }

  joinUser (group: Group, head: Offset): void {
    if (!this.#joined.has(group)) this.#joined.set(group, head)
    this.#left.delete(group)
    if (this.live?.groups.has(group) === false) this.live.groups.set(group, head)
  }

  leaveUser (group: Group, head: Offset): void {
    this.#joined.delete(group)
    this.#left.set(group, head)
    if (this.live?.groups.delete(group) === true) this.#loosen(isToGroup(group))
  }

  purge (): void {
    this.#loosen(isToUser)
    this.#log = this.#log.filter((message) => !isToUser(message))
  }

  /** Time has passed. */
  pass (now: number): void {
    this.#loosen(({ expiresAt }) => expiresAt <= now)
  }

  /** Compares the messages that the client has read with the expected messages. Returns the first fault. */
  check (read: readonly Read[]): string | undefined {
    const { live } = this
    if (live === null) return undefined
    for (const [index, { offset, data }] of read.entries()) {
      const before = read[index - 1]?.offset ?? 0
      if (offset <= before) return `${offset} was delivered after ${before}`
      if (!live.expected.has(offset)) return `${offset} does not concern the client`
      if (this.#data.get(offset) !== data) return `${offset} was delivered with the data of another message: ${data}`
    }
    if (live.isFrozen) return undefined
    const offsets = new Set(read.map(({ offset }) => offset))
    const missing = [...live.expected].filter(([offset, certainty]) => certainty === 'must' && !offsets.has(offset))
    return missing.length === 0 ? undefined : `not delivered: ${missing.map(([offset]) => offset).join(', ')}`
  }

  /** Makes matching messages uncertain, if the client does not read. */
  #loosen (matches: (message: Published) => boolean): void {
    const { live } = this
    if (live?.isFrozen !== true) return
    for (const message of this.#log) {
      if (live.expected.has(message.offset) && matches(message)) live.expected.set(message.offset, 'may')
    }
  }

  #begin (position: Position, from: Offset, now: number): void {
    const live: Live = { ...position, expected: new Map(), isFrozen: false }
    for (const message of this.#log) {
      const isThere = message.keep && message.expiresAt > now && message.offset > from
      if (isThere && this.#concerns(live, message)) live.expected.set(message.offset, 'must')
    }
    this.live = live
    this.lost = null
  }

  #concerns ({ id, since, inboxSince, groups }: Position, { address, except, offset }: Published): boolean {
    if (except.includes(id)) return false
    if ('user' in address) return address.user === USER && offset > inboxSince
    if ('client' in address) return address.client === id && offset > since
    if ('group' in address) return offset > (groups.get(address.group) ?? Infinity)
    return offset > since
  }
}

function isToUser ({ address }: Published): boolean {
  return 'user' in address && address.user === USER
}

function isToGroup (group: Group): (message: Published) => boolean {
  return ({ address }) => 'group' in address && address.group === group
}
