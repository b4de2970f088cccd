import type { Static, TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import { HubError } from '../errors.ts'
import type { ActionResult } from '../protocol/protocol.ts'
import type { Client } from './client.ts'

/** Runs when a client calls an action with data that fits its schema; what it returns is the answer. */
export type ActionHandler<S extends TSchema> = (data: Static<S>, client: Client) => unknown

interface Action {
  readonly check: TypeCheck<TSchema>
  readonly run: (data: unknown, client: Client) => unknown
}

/** What clients may call by name. */
export class Actions {
  readonly #actions = new Map<string, Action>()
  readonly #onFailure: (error: unknown, name: string, client: Client) => void

  /** `onFailure` hears what a handler threw by accident; the client only learns that it failed. */
  constructor (onFailure: (error: unknown, name: string, client: Client) => void) {
    this.#onFailure = onFailure
  }

  get size (): number {
    return this.#actions.size
  }

  has (name: string): boolean {
    return this.#actions.has(name)
  }

  /** Adds an action. Throws when the name is taken. */
  add<S extends TSchema> (name: string, schema: S, handler: ActionHandler<S>): void {
    if (this.#actions.has(name)) throw new Error(`The action "${name}" exists already; give each action one handler.`)
    // The compiled check stands between the client's data and the handler, so the cast only repeats what it proved.
    this.#actions.set(name, { check: TypeCompiler.Compile(schema), run: (data, client) => handler(data, client) })
  }

  /** Calls an action for a client and encodes the answer. What goes wrong, encoding included, is the answer. */
  async call (name: string, data: unknown, client: Client, encode: (result: ActionResult) => Buffer): Promise<Buffer> {
    try {
      return encode({ ok: true, data: await this.#run(name, data, client) })
    } catch (error) {
      if (error instanceof HubError) return encode(refusal(error))
      this.#onFailure(error, name, client)
      return encode(refusal(new HubError('HUB_INTERNAL', `The action "${name}" failed.`)))
    }
  }

  #run (name: string, data: unknown, client: Client): unknown {
    const action = this.#actions.get(name)
    if (action === undefined) throw new HubError('HUB_NOT_FOUND', `There is no action "${name}".`)
    if (action.check.Check(data)) return action.run(data, client)
    const fault = action.check.Errors(data).First()
    throw new HubError('HUB_REQUEST_INVALID', `data${fault?.path ?? ''}: ${fault?.message ?? 'does not fit the schema'}`)
  }
}

function refusal ({ code, message }: HubError): ActionResult {
  return { ok: false, error: { code, message } }
}
