import type { Message, Offset } from '../../model/message.ts'
import type { IndexRecord } from '../local/index/index-record.ts'
import type { Payloads } from '../local/payloads.ts'

/** The messages in the memory of this process: they do not outlive the process. */
export class MemoryPayloads implements Payloads {
  readonly problem = null
  readonly #messages = new Map<Offset, Message>()

  add (message: Message): boolean {
    this.#messages.set(message.offset, message)
    return true
  }

  addKeyUse (): void {}
  addLoss (): void {}
  addHole (): void {}
  async addPurge (): Promise<void> {}

  /** Forgets a message that has left the index. */
  remove (offset: Offset): void {
    this.#messages.delete(offset)
  }

  load (records: readonly IndexRecord[]): Message[] {
    const messages: Message[] = []
    for (const { offset } of records) {
      const message = this.#messages.get(offset)
      if (message !== undefined) messages.push(message)
    }
    return messages
  }

  async close (): Promise<void> {
    this.#messages.clear()
  }
}
