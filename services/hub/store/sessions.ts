import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { CLOSE, mayResume } from '../../model/close-codes.ts'
import type { State } from '../../engine/engine.ts'
import type { ClientId, UserId } from '../../model/message.ts'
import type { Client } from '../clients/client.ts'
import { Membership } from '../clients/cursor.ts'
import { CoalescedWrites } from './coalesced-writes.ts'
import { sessionKey } from './keys.ts'

const Session = Type.Object({
  user: Type.String(),
  protocol: Type.String(),
  device: Type.String(),
  /** SHA-256 of what the client has to show, in base64. */
  token: Type.String(),
  since: Type.Integer(),
  /** Null while it has not been found out where the connection begins. */
  inboxSince: Type.Union([Type.Integer(), Type.Null()]),
  acknowledged: Type.Integer(),
  groups: Type.Array(Type.Tuple([Type.String(), Membership]))
})
/** A connection that may be resumed: whose it is, and where in the log it was. */
export type Session = Static<typeof Session>
const sessions = TypeCompiler.Compile(Session)

const TOKEN_BYTES = 24
/** What ids of connections look like. */
const CLIENT_ID = /^[\w-]{1,64}$/
/** While it is connected, a session is kept until it is over; should the process be killed, at most for this long. */
const CONNECTED_MS = 7 * 24 * 3_600_000

/** What a client shows to resume a connection. */
export interface ResumeClaim {
  readonly clientId: ClientId
  readonly token: string
  readonly user: UserId
  readonly protocol: string
}

/** What sessions work with. */
export interface SessionsOptions {
  readonly state: State
  /** How long in ms a lost connection may be resumed. */
  readonly windowMs: number
  /** A session could not be stored. Must not throw. */
  readonly onFailure: (error: unknown) => void
}

/** Connections that outlive their socket: under the same id, they go on where they were, also after the process was restarted. */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #tokens = new WeakMap<Client, string>()
  readonly #writes: CoalescedWrites<ClientId, Client>

  constructor (options: SessionsOptions) {
    this.#options = options
    this.#writes = new CoalescedWrites({ write: (_id, client) => this.#store(client), onFailure: options.onFailure })
  }

  /**
   * Makes a connection resumable. Answers what the client has to show for it; one that was resumed keeps what it has
   * `shown`, or it could not come back when it is lost again before it is told anything new.
   */
  open (client: Client, shown?: string): string {
    const token = shown ?? randomBytes(TOKEN_BYTES).toString('base64url')
    this.#tokens.set(client, hash(token).toString('base64'))
    // At once: it may be lost, and back, before it is known where it begins.
    void this.save(client)
    return token
  }

  /** The session that a client may resume; null when there is none for what it shows. */
  async find ({ clientId, token, user, protocol }: ResumeClaim): Promise<Session | null> {
    // Anything may be shown, and keys of the state have a limit.
    if (!CLIENT_ID.test(clientId)) return null
    // What has changed and is not on its way to the store yet.
    await this.#writes.settled(clientId)
    const session = await this.#options.state.get(sessionKey(clientId))
    if (!sessions.Check(session) || session.user !== user || session.protocol !== protocol) return null
    return timingSafeEqual(Buffer.from(session.token, 'base64'), hash(token)) ? session : null
  }

  /** Stores where a client is; while that takes, only the latest place waits. Resolves when it is stored, or cannot be; never rejects. */
  save (client: Client): Promise<void> {
    // The one that takes its place stores what is to be kept of it. An application may use the same code for something else.
    const isReplaced = client.closeReason === CLOSE.replaced
    return isReplaced || !this.#tokens.has(client) ? Promise.resolve() : this.#writes.put(client.id, client)
  }

  /** Resolves when nothing is on its way to the store. */
  idle (): Promise<void> {
    return this.#writes.idle()
  }

  async #store (client: Client): Promise<void> {
    const session = this.#toStore(client)
    await this.#options.state.update(sessionKey(client.id), () => session, client.isOpen ? CONNECTED_MS : this.#options.windowMs)
  }

  /** What is to be kept; undefined for a connection that must not come back by itself. */
  #toStore (client: Client): Session | undefined {
    const { closeReason: ending } = client
    return ending !== null && !mayResume(ending.code) ? undefined : this.of(client)
  }

  /** Where a client is; undefined for one that cannot be resumed. */
  of (client: Client): Session | undefined {
    const { cursor, device, identity: { user }, protocol } = client
    const token = this.#tokens.get(client)
    if (token === undefined) return undefined
    const groups = [...cursor.groups ?? []].map(([group, membership]): [string, Membership] => [group, { ...membership }])
    return { user, protocol: protocol.name, device, token, since: cursor.since, inboxSince: cursor.inboxSince ?? null, acknowledged: cursor.acknowledged, groups }
  }
}

function hash (token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
