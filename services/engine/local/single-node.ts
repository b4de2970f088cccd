import { HubError } from '../../model/errors.ts'
import { addressKey, type Address, type AddressKey, type Message } from '../../model/message.ts'
import type { NodeResponder, QueryResult, Engine, MessageHandler, Questions } from '../engine.ts'

/**
 * What an engine that has only one node is to its hub beside the log: whom it follows, what it answers, and whether it is
 * open. A base class, because these verbs are the same to the letter wherever the log lies.
 */
export abstract class SingleNode implements Pick<Engine, 'listen' | 'follow' | 'unfollow' | 'ask'> {
  readonly #followed = new Set<AddressKey>()
  #handler: MessageHandler | null = null
  #answerer: NodeResponder | null = null
  #isClosed = false

  listen (handler: MessageHandler, answerer: NodeResponder): void {
    this.#handler = handler
    this.#answerer = answerer
  }

  follow (address: Address): void {
    this.#followed.add(addressKey(address))
  }

  unfollow (address: Address): void {
    this.#followed.delete(addressKey(address))
  }

  async ask<K extends keyof Questions> (kind: K, question: Questions[K]): Promise<QueryResult<K>> {
    this.assertOpen()
    if (this.#answerer === null) return { answers: [], asked: 0 }
    return { answers: [await this.#answerer[kind](question)], asked: 1 }
  }

  /** Hands a message to the hub, if it follows its address. */
  protected deliver (message: Message): void {
    if (this.#followed.has(addressKey(message.address))) this.#handler?.(message)
  }

  protected assertOpen (): void {
    if (this.#isClosed) throw new HubError('HUB_DRAINING', 'The hub is closed; it takes no more messages.')
  }

  /** From here on nothing is delivered, and `assertOpen` throws. */
  protected shut (): void {
    this.#isClosed = true
    this.#followed.clear()
  }
}
