import { HubError } from '../errors.ts'
import { addressKey, type Address, type AddressKey, type Message } from '../message.ts'
import type { Answerer, Asked, MessageHandler, Questions } from './engine.ts'

/** The node of an engine that has only one: what its hub follows, and what it answers. */
export class SingleNode {
  readonly #followed = new Set<AddressKey>()
  #handler: MessageHandler | null = null
  #answerer: Answerer | null = null

  listen (handler: MessageHandler, answerer: Answerer): void {
    this.#handler = handler
    this.#answerer = answerer
  }

  follow (address: Address): void {
    this.#followed.add(addressKey(address))
  }

  unfollow (address: Address): void {
    this.#followed.delete(addressKey(address))
  }

  deliver (key: AddressKey, message: Message): void {
    if (this.#followed.has(key)) this.#handler?.(message)
  }

  async ask<K extends keyof Questions> (kind: K, question: Questions[K]): Promise<Asked<K>> {
    if (this.#answerer === null) return { answers: [], asked: 0 }
    return { answers: [await this.#answerer[kind](question)], asked: 1 }
  }

  close (): void {
    this.#followed.clear()
  }
}

/** What every verb of an engine that is closed rejects with. */
export function closedError (): HubError {
  return new HubError('HUB_DRAINING', 'The hub is closed; it takes no more messages.')
}
