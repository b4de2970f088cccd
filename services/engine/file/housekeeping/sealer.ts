import { Worker } from 'node:worker_threads'
import { sealSegment, type SealRequest, type SealResult } from './seal.ts'

/** The answer of the thread. */
type Answer = { readonly result: SealResult } | { readonly error: unknown }

/** Seals segments in a thread of its own, one at a time. */
export class Sealer {
  #worker: Worker | null = null
  #onAnswer: (answer: Answer) => void = () => {}

  /**
   * Seals a segment. Resolves when the sealed file has taken the place of the former one. Called again only after the
   * call before has ended.
   *
   * @throws The error of the disk, or of the thread. Then the former file is unchanged.
   */
  async seal (request: SealRequest): Promise<SealResult> {
    // Node has no thread for TypeScript: a program that runs the sources seals in its own thread.
    if (import.meta.url.endsWith('.ts')) return sealSegment(request)
    this.#worker ??= this.#start()
    const worker = this.#worker
    const answer = await new Promise<Answer>((resolve) => {
      this.#onAnswer = resolve
      worker.postMessage(request)
    })
    if ('error' in answer) throw answer.error
    return answer.result
  }

  /** Ends the thread. A segment that is being sealed stays as it was. */
  async close (): Promise<void> {
    // The process must not end before the thread.
    this.#worker?.ref()
    await this.#worker?.terminate()
  }

  #start (): Worker {
    const worker = new Worker(new URL('./seal-worker.js', import.meta.url))
    worker.on('message', (answer: Answer) => this.#onAnswer(answer))
    worker.on('error', (error) => this.#onAnswer({ error }))
    worker.on('exit', () => {
      this.#worker = null
      this.#onAnswer({ error: new Error('The thread that seals segments has ended.') })
    })
    // A process with nothing else to do may end; the segment is sealed after the next start.
    worker.unref()
    return worker
  }
}
