import { CLOSE, fitReason } from '../../model/close-codes.ts'
import { HubError } from '../../model/errors.ts'
import type { Offset } from '../../model/message.ts'
import type { CommandWithReply, Command, CommandResult } from '../../protocol/protocol.ts'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { refusal, type Actions } from './actions.ts'
import { Frame } from '../outbox/batch.ts'
import type { Client } from '../clients/client.ts'
import { toDraft } from '../publish/draft.ts'
import { assertGroupRight } from '../clients/permissions.ts'
import type { Memberships } from '../store/memberships.ts'
import type { Publisher } from '../publish/publisher.ts'

/** What clients may ask of the hub itself; everything else they say is for the application. */
export type HubCommand = Exclude<Command, { readonly kind: 'message' }>

/** Calls that are remembered, so that a client which repeats one after a loss does not call twice. */
const REMEMBERED = 100_000

/** What commands work with. */
export interface CommandsOptions {
  readonly actions: Actions
  readonly memberships: Memberships
  readonly publisher: Publisher
  /** Largest message in bytes. */
  readonly maxMessageBytes: number
  readonly acknowledge: (client: Client, offset: Offset) => void
  /** Hears of what went wrong by accident; the client only learns that it failed. */
  readonly onFailure: (error: unknown, client: Client) => void
}

/** Does what clients ask for, and answers them in their protocol. */
export class Commands {
  readonly #options: CommandsOptions
  readonly #called = new BoundedMap<string, true>(REMEMBERED)

  constructor (options: CommandsOptions) {
    this.#options = options
  }

  /** Whether a command may wait for its turn behind what the client said before; otherwise it is obeyed at once. */
  static isQueued (command: HubCommand): command is CommandWithReply {
    return 'id' in command
  }

  /** Obeys a command that needs no waiting. */
  execute (client: Client, command: Exclude<HubCommand, CommandWithReply>): void {
    switch (command.kind) {
      case 'acknowledge': return this.#options.acknowledge(client, command.offset)
      case 'ping': {
        const { pong } = client.protocol
        if (pong !== null) client.push(new Frame(pong))
        return
      }
      case 'invalid': return client.close({ code: CLOSE.badMessage.code, reason: fitReason(command.reason) })
      case 'ignored':
    }
  }

  /** Obeys a command that is answered. Never rejects. */
  async executeAndReply (client: Client, command: CommandWithReply): Promise<void> {
    const result = await this.#run(client, command)
    if (!client.isOpen) return
    const bytes = this.#encode(client, command, result)
    if (bytes !== null) return client.push(new Frame(bytes))
    // A client that asked for no answer learns of a failure by the end of its connection.
    if (!result.ok && command.id === undefined) client.close({ code: CLOSE.badMessage.code, reason: fitReason(result.error.message) })
  }

  async #run (client: Client, command: CommandWithReply): Promise<CommandResult> {
    try {
      return await this.#perform(client, command)
    } catch (error) {
      if (error instanceof HubError) return refusal(error)
      this.#options.onFailure(error, client)
      return refusal(new HubError('HUB_INTERNAL', 'The hub could not do this; its log says why.'))
    }
  }

  async #perform (client: Client, command: CommandWithReply): Promise<CommandResult> {
    const { id, identity } = client
    const { actions, maxMessageBytes, memberships, publisher } = this.#options
    switch (command.kind) {
      case 'action': return actions.call(command.name, command.data, client)
      case 'event': {
        this.#assertNew(client, command.id)
        const result = await actions.call(command.name, command.data, client)
        // What failed may be repeated under its id: clients take `Duplicate` for success. What took too long may yet succeed.
        if (!result.ok && result.error.code !== 'HUB_ACTION_TIMEOUT') this.#called.delete(`${id} ${String(command.id)}`)
        return result
      }
      case 'join':
        assertGroupRight('joinLeaveGroup', command.group, identity)
        await memberships.set(id, command.group, true, true)
        return { ok: true }
      case 'leave':
        assertGroupRight('joinLeaveGroup', command.group, identity)
        await memberships.set(id, command.group, false, true)
        return { ok: true }
      case 'send': {
        assertGroupRight('sendToGroup', command.group, identity)
        const options = {
          ...(command.id === undefined ? {} : { key: `${id} ${command.id}` }),
          ...(command.isEchoed ? {} : { except: [id] })
        }
        const { duplicate } = await publisher.publish(toDraft({ group: command.group }, command.payload, options, maxMessageBytes, identity.user))
        if (duplicate) throw duplicated()
        return { ok: true }
      }
    }
  }

  #assertNew ({ id }: Client, call: string | number | undefined): void {
    if (call === undefined) return
    const key = `${id} ${call}`
    if (this.#called.has(key)) throw duplicated()
    this.#called.set(key, true)
  }

  /** What an action gave may have no JSON; then that is the answer. */
  #encode ({ protocol }: Client, command: CommandWithReply, result: CommandResult): Buffer | null {
    try {
      return protocol.encodeResult(command, result)
    } catch {
      return protocol.encodeResult(command, refusal(new HubError('HUB_INTERNAL', 'The action gave something that JSON cannot say.')))
    }
  }
}

function duplicated (): HubError {
  return new HubError('HUB_DUPLICATE', 'This was done before; it is not done again.')
}
