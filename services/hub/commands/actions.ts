import { reportFailure, type Log } from '../../lib/log.ts'
import { isThenable } from '../../lib/thenable.ts'
import { settledWithin } from '../../lib/timeout.ts'
import type { ConnectedClient } from '../../model/client.ts'
import { ActionError, HubError } from '../../model/errors.ts'
import type { CommandResult } from '../../protocol/protocol.ts'
import type { ActionData } from './action-data.ts'
import { compileSchema, type DataCheck } from './action-schema.ts'

/**
 * Handles calls of an action. Called with data that fits the action's schema; the returned value, or the value of the
 * returned promise, is the reply. Must be a JSON value.
 *
 * @throws {ActionError} sends code and message of the error to the client; so does a HubError. Any other error is
 * logged, and the client receives HUB_INTERNAL.
 */
export type ActionHandler<S extends object> = (data: ActionData<S>, client: ConnectedClient) => unknown

/** Options of an action. */
export interface ActionOptions {
  /**
   * Role that the client's token must have; other clients receive HUB_FORBIDDEN.
   *
   * @default undefined: every client may call the action.
   */
  readonly role?: string | undefined
  /**
   * Time limit in ms, after which the client receives HUB_ACTION_TIMEOUT; 0 for no limit. The handler is not stopped.
   *
   * @default websocket.actionTimeout, 30 s
   */
  readonly timeoutMs?: number | undefined
}

interface Action extends ActionOptions {
  readonly check: DataCheck
  /** Whether an action of the application with this name replaces this action. */
  readonly isDefault: boolean
  readonly run: (data: unknown, client: ConnectedClient) => unknown
}

/** Actions by name: functions of the application that clients call. */
export class Actions {
  readonly #actions = new Map<string, Action>()
  readonly #timeoutMs: number
  readonly #log: Log

  /** @param timeoutMs Default time limit of an action in ms; 0 for no limit. */
  constructor (timeoutMs: number, log: Log) {
    this.#timeoutMs = timeoutMs
    this.#log = log
  }

  /** Number of actions, default actions included. */
  get size (): number {
    return this.#actions.size
  }

  /** Whether an action with this name exists. */
  has (name: string): boolean {
    return this.#actions.has(name)
  }

  /**
   * Adds an action of the application.
   *
   * @throws {Error} when the application has an action with this name already, the schema does not compile, or another
   * argument has a wrong form.
   */
  add<S extends object> (name: string, schema: S, handler: ActionHandler<S>, options: ActionOptions = {}): void {
    assertAction(name, handler, options)
    if (this.#actions.get(name)?.isDefault === false) {
      throw new Error(`The action "${name}" exists already; give each action one handler.`)
    }
    // The check of the data comes before the handler, so the cast repeats the result of the check.
    const run: Action['run'] = (data, client) => handler(data as ActionData<S>, client)
    this.#actions.set(name, { ...options, isDefault: false, check: compileSchema(name, schema), run })
  }

  /**
   * Adds an action that takes any data, unless an action with this name exists. The application may replace the action.
   */
  addDefault (name: string, run: () => unknown): void {
    if (!this.#actions.has(name)) this.#actions.set(name, { isDefault: true, check: () => null, run })
  }

  /** Calls an action for a client. Errors become the result; never rejects. */
  async call (name: string, data: unknown, client: ConnectedClient): Promise<CommandResult> {
    try {
      return { ok: true, data: await this.#run(name, data, client) }
    } catch (error) {
      if (error instanceof HubError || error instanceof ActionError) return refusal(error)
      reportFailure(this.#log, error, { action: name, clientId: client.id }, 'an action failed')
      return refusal(new HubError('HUB_INTERNAL', 'The action failed.'))
    }
  }

  #run (name: string, data: unknown, client: ConnectedClient): unknown {
    const action = this.#actions.get(name)
    if (action === undefined) throw new HubError('HUB_NOT_FOUND', 'There is no action of this name.')
    const { check, role, run, timeoutMs = this.#timeoutMs } = action
    if (role !== undefined && !client.identity.roles.includes(role)) {
      throw new HubError('HUB_FORBIDDEN', `This action is for those whose token has the role "${role}".`)
    }
    const fault = check(data)
    if (fault !== null) throw new HubError('HUB_REQUEST_INVALID', `data${fault}`)
    const result = run(data, client)
    return isThenable(result) && timeoutMs > 0 ? within(result, timeoutMs) : result
  }
}

/** The longest time of a timer; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** The names of all options of an action. */
const OPTION_NAMES = ['role', 'timeoutMs'] satisfies Array<keyof ActionOptions>

/**
 * Checks what the compiler checks in TypeScript alone. A misspelled option would have no effect: without `role`, every
 * client may call the action.
 *
 * @throws {Error} with the name of the action.
 */
function assertAction (name: unknown, handler: unknown, options: ActionOptions): void {
  if (typeof name !== 'string' || name === '') throw new Error('hub.action takes a name first, such as "rename".')
  const of = `of the action "${name}"`
  if (typeof handler !== 'function') {
    throw new Error(`The handler ${of} must be a function (data, client), not ${typeof handler}: call hub.action(name, schema, handler).`)
  }
  const unknown = Object.keys(options).find((key) => !OPTION_NAMES.some((known) => known === key))
  if (unknown !== undefined) throw new Error(`The option "${unknown}" ${of} is unknown; the options are ${OPTION_NAMES.join(' and ')}.`)
  const { role, timeoutMs } = options as Record<string, unknown>
  if (role !== undefined && (typeof role !== 'string' || role === '')) {
    throw new Error(`The option role ${of} must be the name of one role.`)
  }
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs <= MAX_TIMER_MS)) {
    throw new Error(`The option timeoutMs ${of} must be a number of milliseconds from 0 to ${MAX_TIMER_MS}.`)
  }
}

/** The result of a refused or failed call, with the code and the message that the client receives. */
export function refusal ({ code, message }: HubError | ActionError): CommandResult {
  return { ok: false, error: { code, message } }
}

/** Waits for a result within a time limit in ms. Throws HUB_ACTION_TIMEOUT afterwards. */
async function within (result: unknown, limitMs: number): Promise<unknown> {
  // Resolved once, because every `then` of a query builder runs the query.
  const pending = Promise.resolve(result)
  if (await settledWithin(pending, limitMs)) return pending
  throw new HubError('HUB_ACTION_TIMEOUT', `The action took longer than ${limitMs} ms.`)
}
