import { reportFailure, type Log } from '../../lib/log.ts'
import { CLOSE, fitReason } from '../../model/close-codes.ts'
import { ERRORS, HubError, type ErrorCode } from '../../model/errors.ts'
import type { Command, CommandResult, CommandWithReply, RefusedRequest, ReplyTarget } from '../../protocol/protocol.ts'
import type { CallId, Client } from '../clients/client.ts'
import { assertGroupRight } from '../clients/permissions.ts'
import { Frame } from '../outbox/batch.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { Acknowledgements } from '../store/acknowledgements.ts'
import type { Memberships } from '../store/memberships.ts'
import { refusal, type Actions } from './actions.ts'

/** Commands that run in the client's serial queue. */
type QueuedCommand = CommandWithReply | RefusedRequest

/** Commands that the hub executes. Messages of raw clients are for the application's message handler instead. */
export type HubCommand = Exclude<Command, { readonly kind: 'message' }>

/** Executes commands of clients and replies in the client's protocol. */
export class Commands {
  readonly #actions: Actions
  readonly #memberships: Memberships
  readonly #publisher: Publisher
  readonly #acknowledgements: Acknowledgements
  readonly #maxMessageBytes: number
  readonly #log: Log

  /** @param maxMessageBytes Largest data of a call, in bytes. */
  constructor (
    actions: Actions,
    memberships: Memberships,
    publisher: Publisher,
    acknowledgements: Acknowledgements,
    maxMessageBytes: number,
    log: Log
  ) {
    this.#actions = actions
    this.#memberships = memberships
    this.#publisher = publisher
    this.#acknowledgements = acknowledgements
    this.#maxMessageBytes = maxMessageBytes
    this.#log = log
  }

  /**
   * Whether a command has a reply and therefore runs in the client's serial queue; other commands are executed at once.
   */
  static isQueued (command: HubCommand): command is QueuedCommand {
    return 'id' in command || command.kind === 'refused'
  }

  /** Executes a command without a reply, at once. */
  execute (client: Client, command: Exclude<HubCommand, QueuedCommand>): void {
    switch (command.kind) {
      case 'acknowledge': return this.#acknowledgements.acknowledge(client, command.offset)
      case 'ping': {
        const { pong } = client.protocol
        if (pong !== null) client.push(new Frame(pong))
        return
      }
      case 'invalid': return client.close({ code: CLOSE.badMessage.code, reason: fitReason(command.reason) })
      case 'ignored':
    }
  }

  /**
   * Executes a command and sends the reply. A failure becomes the reply; never rejects. A refused request without an id
   * has no reply and is counted: too many of them close the connection.
   */
  async executeAndReply (client: Client, command: QueuedCommand): Promise<void> {
    const result = await this.#run(client, command)
    if (!client.isOpen) return
    const target = command.kind === 'refused' ? command.target : command
    const bytes = target === null ? null : this.#encode(client, target, result)
    if (bytes !== null) return client.push(new Frame(bytes))
    if (result.ok || target?.id !== undefined || !isRefusal(result.error.code) || client.onRefused()) return
    client.close({ code: CLOSE.badMessage.code, reason: fitReason(result.error.message) })
  }

  async #run (client: Client, command: QueuedCommand): Promise<CommandResult> {
    try {
      return await this.#perform(client, command)
    } catch (error) {
      if (error instanceof HubError) return refusal(error)
      reportFailure(this.#log, error, { clientId: client.id }, 'a command of a client failed')
      return refusal(new HubError('HUB_INTERNAL', 'The hub could not do this; its log says why.'))
    }
  }

  async #perform (client: Client, command: QueuedCommand): Promise<CommandResult> {
    const { id, identity } = client
    switch (command.kind) {
      case 'refused': throw command.error
      case 'action':
        this.#assertSize(command.bytes)
        return this.#actions.call(command.name, command.data, client)
      case 'event': {
        this.#assertSize(command.bytes)
        assertNew(client, command.id)
        const result = await this.#actions.call(command.name, command.data, client)
        // A failed event may be repeated under the same id: clients take the error `Duplicate` for success. An event
        // that timed out may still succeed, so a repetition stays a duplicate.
        if (command.id !== undefined && !result.ok && result.error.code !== 'HUB_ACTION_TIMEOUT') {
          client.removeCall(command.id)
        }
        return result
      }
      case 'join':
        assertGroupRight('joinLeaveGroup', command.group, identity)
        await this.#memberships.set(id, command.group, true, true)
        return { ok: true }
      case 'leave':
        assertGroupRight('joinLeaveGroup', command.group, identity)
        await this.#memberships.set(id, command.group, false, true)
        return { ok: true }
      case 'send': {
        assertGroupRight('sendToGroup', command.group, identity)
        const options = {
          ...(command.id === undefined ? {} : { key: `${id} ${command.id}` }),
          ...(command.isEchoed ? {} : { except: [id] })
        }
        const address = { group: command.group }
        const { duplicate } = await this.#publisher.publish(address, command.payload, options, identity.user)
        if (duplicate) throw duplicateError()
        return { ok: true }
      }
    }
  }

  /** Throws HUB_MESSAGE_TOO_LARGE for the data of a call over the limit. */
  #assertSize (bytes = 0): void {
    const most = this.#maxMessageBytes
    if (bytes > most) throw new HubError('HUB_MESSAGE_TOO_LARGE', `The data is larger than ${most} bytes; send less.`)
  }

  /**
   * Encodes the reply; null when the command has no reply. A result without a JSON form becomes the reply HUB_INTERNAL.
   */
  #encode ({ protocol }: Client, target: ReplyTarget | CommandWithReply, result: CommandResult): Buffer | null {
    try {
      return protocol.encodeResult(target, result)
    } catch {
      const error = new HubError('HUB_INTERNAL', 'The action gave something that JSON cannot say.')
      return protocol.encodeResult(target, refusal(error))
    }
  }
}

/** Throws HUB_DUPLICATE when the client has sent an event with this id before. */
function assertNew (client: Client, id: CallId | undefined): void {
  if (id !== undefined && !client.addCall(id)) throw duplicateError()
}

function duplicateError (): HubError {
  return new HubError('HUB_DUPLICATE', 'This was done before; it is not done again.')
}

/** Whether the fault is in the request: an error code of the hub with a status below 500. */
function isRefusal (code: string): boolean {
  return code in ERRORS && ERRORS[code as ErrorCode] < 500
}
