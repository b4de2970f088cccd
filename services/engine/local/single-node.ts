import { HubError } from '../../model/errors.ts'
import { addressKey, type Address, type AddressKey, type Message } from '../../model/message.ts'
import type { NodeResponder, QueryResult, Engine, MessageHandler } from '../engine.ts'

/**
 * Base class of engines with one node: the followed addresses, questions to the only node, and the closed state. Where
 * the log is stored makes no difference to these methods.
 */
export abstract class SingleNode implements Pick<Engine, 'listen' | 'follow' | 'unfollow' | 'ask'> {
  readonly #followed = new Set<AddressKey>()
  #handler: MessageHandler | null = null
  #responder: NodeResponder | null = null
  #isClosed = false

  listen (handler: MessageHandler, responder: NodeResponder): void {
    this.#handler = handler
    this.#responder = responder
  }

  follow (address: Address): void {
    this.#followed.add(addressKey(address))
  }

  unfollow (address: Address): void {
    this.#followed.delete(addressKey(address))
  }

  async ask (kind: string, question: unknown): Promise<QueryResult> {
    this.assertOpen()
    if (this.#responder === null) return { answers: [], asked: 0 }
    return { answers: [await this.#responder(kind, question)], asked: 1 }
  }

  /** Hands a message to the hub, if the hub follows the address. */
  protected deliver (message: Message): void {
    if (this.#followed.has(addressKey(message.address))) this.#handler?.(message)
  }

  /** Throws HUB_DRAINING when the engine is closed. */
  protected assertOpen (): void {
    if (this.#isClosed) throw new HubError('HUB_DRAINING', 'The hub is closed; it takes no more messages.')
  }

  /** Closes the engine to callers: no message is delivered any more, and `assertOpen` throws. */
  protected shut (): void {
    this.#isClosed = true
    this.#followed.clear()
  }
}
