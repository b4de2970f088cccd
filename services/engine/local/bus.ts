import type { Bus, NodeResponder, QueryResult } from '../bus.ts'
import type { Lifetime } from '../lifetime.ts'

/** The bus of a single node: every question goes to the responder of this process. */
export class LocalBus implements Bus {
  readonly nodes = 1
  readonly #lifetime: Lifetime
  #responder: NodeResponder | null = null

  constructor (lifetime: Lifetime) {
    this.#lifetime = lifetime
  }

  respond (responder: NodeResponder): void {
    this.#responder = responder
  }

  async ask (kind: string, question: unknown): Promise<QueryResult> {
    this.#lifetime.assertOpen()
    if (this.#responder === null) return { answers: [], asked: 0 }
    return { answers: [await this.#responder(kind, question)], asked: 1 }
  }
}
