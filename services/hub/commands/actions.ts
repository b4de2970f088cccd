import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import { ActionError, HubError } from '../../model/errors.ts'
import type { CommandResult } from '../../protocol/protocol.ts'
import { settledWithin } from '../../lib/timeout.ts'
import type { Client } from '../clients/client.ts'

/** Runs when a client calls an action with data that fits its schema; what it returns is the answer. */
export type ActionHandler<S extends TSchema> = (data: Static<S>, client: Client) => unknown

/** How an action may be called. */
export interface ActionOptions {
  /** Only clients whose token has this role may call it; without it, all may. */
  readonly role?: string
  /** After so long, in ms, the call is answered with HUB_ACTION_TIMEOUT; 0 never. Default: that of the hub. */
  readonly timeoutMs?: number
}

interface Action extends ActionOptions {
  readonly check: TypeCheck<TSchema>
  /** Whether another of this name takes its place. */
  readonly isDefault: boolean
  readonly run: (data: unknown, client: Client) => unknown
}

/** What clients may call by name. */
export class Actions {
  readonly #actions = new Map<string, Action>()
  readonly #timeoutMs: number
  readonly #onFailure: (error: unknown, name: string, client: Client) => void

  /** `onFailure` hears what a handler threw by accident; the client only learns that it failed. */
  constructor (timeoutMs: number, onFailure: (error: unknown, name: string, client: Client) => void) {
    this.#timeoutMs = timeoutMs
    this.#onFailure = onFailure
  }

  get size (): number {
    return this.#actions.size
  }

  has (name: string): boolean {
    return this.#actions.has(name)
  }

  /** Adds an action. Throws when the application has one of this name. */
  add<S extends TSchema> (name: string, schema: S, handler: ActionHandler<S>, options: ActionOptions = {}): void {
    if (this.#actions.get(name)?.isDefault === false) throw new Error(`The action "${name}" exists already; give each action one handler.`)
    // The compiled check stands between the client's data and the handler, so the cast only repeats what it proved.
    this.#actions.set(name, { ...options, isDefault: false, check: TypeCompiler.Compile(schema), run: (data, client) => handler(data, client) })
  }

  /** Adds an action that takes any data, for as long as the application has none of this name. */
  addDefault (name: string, run: () => unknown): void {
    if (!this.#actions.has(name)) this.#actions.set(name, { isDefault: true, check: TypeCompiler.Compile(Type.Unknown()), run })
  }

  /** Calls an action for a client. Never rejects: what goes wrong is the result. */
  async call (name: string, data: unknown, client: Client): Promise<CommandResult> {
    try {
      return { ok: true, data: await this.#run(name, data, client) }
    } catch (error) {
      if (error instanceof HubError || error instanceof ActionError) return refusal(error)
      this.#onFailure(error, name, client)
      return refusal(new HubError('HUB_INTERNAL', 'The action failed.'))
    }
  }

  #run (name: string, data: unknown, client: Client): unknown {
    const action = this.#actions.get(name)
    if (action === undefined) throw new HubError('HUB_NOT_FOUND', 'There is no action of this name.')
    const { check, role, run, timeoutMs = this.#timeoutMs } = action
    if (role !== undefined && !client.identity.roles.includes(role)) throw new HubError('HUB_FORBIDDEN', `This action is for those whose token has the role "${role}".`)
    if (!check.Check(data)) {
      const fault = check.Errors(data).First()
      throw new HubError('HUB_REQUEST_INVALID', `data${fault?.path ?? ''}: ${fault?.message ?? 'does not fit the schema'}`)
    }
    const answer = run(data, client)
    // Query builders and the like are thenable without being a Promise.
    const isPending = typeof answer === 'object' && answer !== null && 'then' in answer
    return isPending && timeoutMs > 0 ? within(answer, timeoutMs) : answer
  }
}

/** What a caller is told of an error. */
export function refusal ({ code, message }: HubError | ActionError): CommandResult {
  return { ok: false, error: { code, message } }
}

async function within (answer: unknown, ms: number): Promise<unknown> {
  // Once, because asking a query builder twice would make the query twice.
  const pending = Promise.resolve(answer)
  if (!await settledWithin(pending, ms)) throw new HubError('HUB_ACTION_TIMEOUT', `The action took longer than ${ms} ms.`)
  return pending
}
