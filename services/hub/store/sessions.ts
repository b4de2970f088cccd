import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Engine } from '../../engine/engine.ts'
import type { StateKey } from '../../engine/state.ts'
import { BoundedMap } from '../../lib/bounded-map.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { CLOSE } from '../../model/close-codes.ts'
import { HubError } from '../../model/errors.ts'
import type { Address, ClientId, UserId } from '../../model/message.ts'
import type { Client } from '../clients/client.ts'
import { Membership } from '../clients/cursor.ts'
import { CoalescedWrites } from './coalesced-writes.ts'
import { DISCONNECTION_OF_ALL, disconnectionKey, sessionGroupsKey, sessionKey } from './keys.ts'

/** Id of a call. */
const CallId = Type.Union([Type.String(), Type.Integer()])

const StoredSession = Type.Object({
  user: Type.String(),
  /** Name of the connection's protocol. */
  protocol: Type.String(),
  /** Name of the durable cursor in the user's inbox. */
  device: Type.String(),
  /** SHA-256 of the resume token, in base64. */
  token: Type.String(),
  /** Messages to everyone and to the client concern the client above this offset. */
  since: Type.Integer(),
  /** Messages to the user concern the client above this offset; null while the start position is not resolved. */
  inboxSince: Type.Union([Type.Integer(), Type.Null()]),
  acknowledged: Type.Integer(),
  /** Ids of the last accepted calls. */
  calls: Type.Array(CallId),
  /** Revision of the groups that belong to this position. */
  revision: Type.Integer()
})
const storedSessionCheck = TypeCompiler.Compile(StoredSession)
const isStoredSession = (value: unknown): value is Static<typeof StoredSession> => storedSessionCheck.Check(value)

const StoredGroups = Type.Object({
  revision: Type.Integer(),
  groups: Type.Array(Type.Tuple([Type.String(), Membership]))
})
type StoredGroups = Static<typeof StoredGroups>
const storedGroupsCheck = TypeCompiler.Compile(StoredGroups)
const NO_GROUPS: StoredGroups = { revision: 0, groups: [] }
/** Reads the stored groups of a session. */
const asStoredGroups = (value: unknown): StoredGroups => storedGroupsCheck.Check(value) ? value : NO_GROUPS

/** A session: the owner of a resumable connection, and the connection's position in the log. */
export interface Session extends Static<typeof StoredSession> {
  readonly groups: StoredGroups['groups']
}

/** The end of all connections of a user, or of everyone, that connected before. */
const Disconnection = Type.Object({ before: Type.String() })
const disconnectionCheck = TypeCompiler.Compile(Disconnection)

const TOKEN_BYTES = 24
/** Form of client ids. */
const CLIENT_ID = /^[\w-]{1,64}$/
/** Life of the session of an open connection, after the last save: a week. Matters only when the process is killed. */
const CONNECTED_MS = 7 * 24 * 3_600_000
/** Time in ms after which the groups of an open connection are stored again, with their next position. */
const PROLONG_MS = CONNECTED_MS / 7
/** Ended sessions that could not be removed, and that this process refuses, at most. */
const MAX_UNDELETED = 10_000

/** Claim of a connecting client to resume an earlier connection. */
export interface ResumeClaim {
  /** Id of the earlier connection. */
  readonly clientId: ClientId
  /** Resume token from the greeting of the earlier connection. */
  readonly token: string
  /** User of the new connection's token. */
  readonly user: UserId
  /** Protocol of the new connection. */
  readonly protocol: string
}

/**
 * Sessions of resumable connections. A session outlives the socket and the process: a resumed connection has the same
 * id and continues at the same position in the log. The position and the groups are two values of the state, because a
 * client may have many groups and a position that changes often.
 */
export class Sessions {
  readonly #engine: Engine
  readonly #windowMs: number
  /** Hashes of the resume tokens of the clients that have a session. */
  readonly #tokenHashes = new WeakMap<Client, string>()
  readonly #clock: Clock
  /** Steady times in ms from which on the stored groups of a client are to be prolonged. */
  readonly #prolongAt = new WeakMap<Client, number>()
  /** Ended sessions that are still stored, because their removal has failed. */
  readonly #undeleted = new BoundedMap<ClientId, true>(MAX_UNDELETED)
  readonly #positions: CoalescedWrites<ClientId, Client>
  readonly #groups: CoalescedWrites<ClientId, Client>

  /** @param windowMs Time in ms for which a lost connection may be resumed. */
  constructor (engine: Engine, windowMs: number, clock: Clock, log: Log) {
    this.#engine = engine
    this.#windowMs = windowMs
    this.#clock = clock
    const failure = 'a connection could not be made resumable'
    this.#positions = new CoalescedWrites(engine, log, failure, (id, client) => {
      return this.#store(sessionKey(id), client, this.#positionOf(client))
    })
    this.#groups = new CoalescedWrites(engine, log, failure, (_id, client) => this.#storeGroups(client))
  }

  /**
   * Opens the session of a connection and returns the resume token.
   *
   * @param presented Resume token that a resumed client presented. The token stays valid, so that a client that loses
   * the connection again before the greeting arrives can resume with the same token.
   */
  open (client: Client, presented?: string): string {
    const token = presented ?? randomBytes(TOKEN_BYTES).toString('base64url')
    this.#tokenHashes.set(client, hash(token).toString('base64'))
    // Stored at once: the client may lose the connection and return before the start position is resolved.
    void this.#positions.put(client.id, client)
    return token
  }

  /**
   * Finds the session for a claim; null when the session does not exist or has ended, or belongs to another user,
   * protocol or token.
   */
  async find ({ clientId, token, user, protocol }: ResumeClaim): Promise<Session | null> {
    // A claim may hold any text, and keys of the state are limited in length.
    if (!CLIENT_ID.test(clientId) || this.#undeleted.has(clientId)) return null
    // The writes of this session that are in progress come first.
    await Promise.all([this.#positions.settled(clientId), this.#groups.settled(clientId)])
    const { state } = this.#engine
    const session = await state.get(sessionKey(clientId))
    if (!isStoredSession(session) || session.user !== user || session.protocol !== protocol) return null
    if (!timingSafeEqual(Buffer.from(session.token, 'base64'), hash(token))) return null
    const keys = [sessionGroupsKey(clientId), disconnectionKey(user), DISCONNECTION_OF_ALL]
    const [groups, ...disconnections] = await Promise.all(keys.map((key) => state.get(key)))
    // The ids of clients rise.
    if (disconnections.some((one) => disconnectionCheck.Check(one) && clientId < one.before)) return null
    // A crash between the two writes, or an evicted value: the client starts over, and is not without its groups.
    const stored = asStoredGroups(groups)
    return stored.revision === session.revision ? { ...session, groups: stored.groups } : null
  }

  /** Whether a client has a session. */
  has (client: Client): boolean {
    return this.#tokenHashes.has(client)
  }

  /** Stores the position of a client within a second, and once a day the groups, whose life is prolonged by that. */
  savePosition (client: Client): void {
    if (!this.#isOwner(client)) return
    this.#positions.putSoon(client.id, client)
    if (this.#clock.steady() > (this.#prolongAt.get(client) ?? Infinity)) this.#groups.putSoon(client.id, client)
  }

  /** Stores the position and the groups of a client within a second. */
  saveSoon (client: Client): void {
    if (!this.#isOwner(client)) return
    this.#positions.putSoon(client.id, client)
    if (client.cursor.revision > 0) this.#groups.putSoon(client.id, client)
  }

  /** Stores the position and the groups of a client; a later save replaces a queued save. */
  save (client: Client): void {
    if (this.#isOwner(client)) void this.#put(client)
  }

  /**
   * Ends the session of a client that the hub closes for good: the connection cannot be resumed, even if the client
   * never answers the Close frame. Without effect for a session that another connection has resumed.
   */
  end (client: Client): void {
    if (!this.#isOwner(client)) return
    this.#tokenHashes.delete(client)
    void this.#put(client).then((isStored) => { if (!isStored) this.#undeleted.set(client.id, true) })
  }

  /**
   * Ends the sessions of lost connections at an address: of the client, of the user, or of everyone.
   *
   * @param before Id of a client that would connect now.
   * @throws {HubError} HUB_STORE_FAILED when the end cannot be stored.
   */
  async endLost (address: Address, before: ClientId): Promise<void> {
    const { state } = this.#engine
    if ('client' in address) {
      const id = address.client
      if (!CLIENT_ID.test(id)) return
      // A queued write would store the session again.
      await Promise.all([this.#positions.settled(id), this.#groups.settled(id)])
      await Promise.all([sessionKey(id), sessionGroupsKey(id)].map((key) => {
        return state.update(key, () => undefined, 0)
      }))
    } else if (!('group' in address)) {
      const key = 'user' in address ? disconnectionKey(address.user) : DISCONNECTION_OF_ALL
      await state.update(key, () => ({ before }), CONNECTED_MS)
    }
  }

  /**
   * Resolves when the pending writes of some sessions are stored.
   *
   * @throws {HubError} HUB_STORE_FAILED when one of them has failed.
   */
  async stored (clients: readonly Client[]): Promise<void> {
    const writes = clients.flatMap(({ id }) => [this.#positions.settled(id), this.#groups.settled(id)])
    if (!(await Promise.all(writes)).includes(false)) return
    const sentence = this.#engine.problem ?? 'The sessions of the connections could not be stored.'
    throw new HubError('HUB_STORE_FAILED', sentence, { retryAfter: 1 })
  }

  /** Resolves when all sessions are stored. */
  async idle (): Promise<void> {
    await Promise.all([this.#positions.idle(), this.#groups.idle()])
  }

  /** The session of a client at this moment; undefined when the client is not resumable, or its session has ended. */
  of (client: Client): Session | undefined {
    const position = this.#positionOf(client)
    return position === undefined ? undefined : { ...position, groups: groupsOf(client).groups }
  }

  /** Whether a client has a session that no other connection has resumed. */
  #isOwner (client: Client): boolean {
    // Compared by identity, because an application may use the same code.
    return client.closeReason !== CLOSE.replaced && this.has(client)
  }

  /** Stores or removes a session. Resolves with whether that is done. */
  async #put (client: Client): Promise<boolean> {
    const { id, cursor: { revision } } = client
    const writes = [this.#positions.put(id, client)]
    if (revision > 0) writes.push(this.#groups.put(id, client))
    return !(await Promise.all(writes)).includes(false)
  }

  /** The position and the owner of a session. */
  #positionOf (client: Client): Static<typeof StoredSession> | undefined {
    const { calls, cursor, durableCursor: { name: device }, identity: { user }, protocol } = client
    const token = this.#tokenHashes.get(client)
    if (token === undefined) return undefined
    return {
      user,
      protocol: protocol.name,
      // The protocols that can resume read through an inbox cursor, so the name identifies the cursor.
      device,
      token,
      since: cursor.since,
      inboxSince: cursor.inboxSince ?? null,
      acknowledged: cursor.acknowledged,
      calls,
      revision: cursor.revision
    }
  }

  #storeGroups (client: Client): Promise<unknown> {
    this.#prolongAt.set(client, this.#clock.steady() + PROLONG_MS)
    return this.#store(sessionGroupsKey(client.id), client, this.has(client) ? groupsOf(client) : undefined)
  }

  #store (key: StateKey, { isOpen }: Client, value: unknown): Promise<unknown> {
    return this.#engine.state.update(key, () => value, isOpen ? CONNECTED_MS : this.#windowMs)
  }
}

function groupsOf ({ cursor: { revision, groups } }: Client): StoredGroups {
  return { revision, groups: [...groups ?? []].map(([group, membership]) => [group, { ...membership }]) }
}

function hash (token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
