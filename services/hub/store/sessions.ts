import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Engine } from '../../engine/engine.ts'
import type { Log } from '../../lib/log.ts'
import { CLOSE, mayResume } from '../../model/close-codes.ts'
import type { ClientId, UserId } from '../../model/message.ts'
import type { Client } from '../clients/client.ts'
import { Membership } from '../clients/cursor.ts'
import { CoalescedWrites } from './coalesced-writes.ts'
import { sessionKey } from './keys.ts'

const Session = Type.Object({
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
  groups: Type.Array(Type.Tuple([Type.String(), Membership]))
})
/** A stored session: the owner of a resumable connection, and the connection's position in the log. */
export type Session = Static<typeof Session>
const sessionCheck = TypeCompiler.Compile(Session)
const isSession = (value: unknown): value is Session => sessionCheck.Check(value)

const TOKEN_BYTES = 24
/** Form of client ids. */
const CLIENT_ID = /^[\w-]{1,64}$/
/** Life of the session of an open connection, after the last save: a week. Matters only when the process is killed. */
const CONNECTED_MS = 7 * 24 * 3_600_000

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
 * id and continues at the same position in the log.
 */
export class Sessions {
  readonly #engine: Engine
  readonly #windowMs: number
  readonly #tokenHashes = new WeakMap<Client, string>()
  readonly #writes: CoalescedWrites<ClientId, Client>

  /** @param windowMs Time in ms for which a lost connection may be resumed. */
  constructor (engine: Engine, windowMs: number, log: Log) {
    this.#engine = engine
    this.#windowMs = windowMs
    const failure = 'a connection could not be made resumable'
    this.#writes = new CoalescedWrites(engine, log, failure, (_id, client) => this.#store(client))
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
    void this.save(client)
    return token
  }

  /**
   * Finds the session for a claim; null when the session does not exist, or belongs to another user, protocol or token.
   */
  async find ({ clientId, token, user, protocol }: ResumeClaim): Promise<Session | null> {
    // A claim may hold any text, and keys of the state are limited in length.
    if (!CLIENT_ID.test(clientId)) return null
    // A queued write of this session comes first.
    await this.#writes.settled(clientId)
    const session = await this.#engine.state.get(sessionKey(clientId))
    if (!isSession(session) || session.user !== user || session.protocol !== protocol) return null
    return timingSafeEqual(Buffer.from(session.token, 'base64'), hash(token)) ? session : null
  }

  /**
   * Stores the position of a client; a later save replaces a queued save. Resolves when stored or failed; never
   * rejects.
   */
  save (client: Client): Promise<void> {
    // The replacing connection stores the session. Compared by identity, because an application may use the same code.
    const isReplaced = client.closeReason === CLOSE.replaced
    return isReplaced || !this.#tokenHashes.has(client) ? Promise.resolve() : this.#writes.put(client.id, client)
  }

  /** Resolves when all sessions are stored. */
  idle (): Promise<void> {
    return this.#writes.idle()
  }

  /** The session of a client at this moment; undefined when the client is not resumable. */
  of (client: Client): Session | undefined {
    const { cursor, durableCursor: { name: device }, identity: { user }, protocol } = client
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
      groups: [...cursor.groups ?? []].map(([group, membership]): [string, Membership] => [group, { ...membership }])
    }
  }

  async #store (client: Client): Promise<void> {
    const { closeReason, isOpen } = client
    // A close code that forbids a retry ends the session.
    const session = closeReason !== null && !mayResume(closeReason.code) ? undefined : this.of(client)
    await this.#engine.state.update(sessionKey(client.id), () => session, isOpen ? CONNECTED_MS : this.#windowMs)
  }
}

function hash (token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
