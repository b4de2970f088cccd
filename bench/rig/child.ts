import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { compiled } from './setup/compiled.ts'

const PATIENCE_MS = 60_000
const tsx = import.meta.resolve('tsx')

type Key<M> = M extends unknown ? keyof M : never
type With<M, K extends PropertyKey> = Extract<M, Record<K, unknown>>

/** Options of a child process. */
interface Start {
  /** Passed to the process as its first argument. */
  options?: object | undefined
  /** Its working directory. */
  folder?: string
}

interface Waiter { key: PropertyKey, resolve: (message: object) => void, reject: (err: Error) => void }

/** A child process, in TypeScript or C, that exchanges messages: `Sent` to the process, `Received` from it. */
export class Child<Sent extends object, Received extends object> {
  readonly pid: number
  readonly #process: ChildProcess
  readonly #name: string
  #inbox: object[] = []
  #waiter: Waiter | undefined
  #stopped = false

  /** `name` is used in error messages. */
  constructor (name: string, file: string, { options = {}, folder: cwd }: Start = {}) {
    this.#name = name
    const path = fileURLToPath(new URL(`../${file}`, import.meta.url))
    // Node's channel is JSON lines on the descriptor NODE_CHANNEL_FD, which a program in C can use as well.
    const runtime = file.endsWith('.c') ? { execPath: compiled(path), execArgv: [] } : { execArgv: ['--expose-gc', '--import', tsx] }
    this.#process = fork(path, [JSON.stringify(options)], { ...runtime, cwd, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    if (this.#process.pid === undefined) throw new Error(`${name} could not be started.`)
    this.pid = this.#process.pid
    this.#process.on('message', (message) => this.#take(message as object))
    this.#process.on('exit', (code, signal) => this.#fail(`${name} ended with ${signal ?? code} in the middle of a measurement.`))
  }

  send (message: Sent): void {
    this.#process.send(message)
  }

  /** Resolves with the next message that has this key; a message received before the call counts. */
  next<K extends Key<Received>> (key: K): Promise<With<Received, K>> {
    const early = this.#inbox.findIndex((message) => key in message)
    const [message] = early < 0 ? [] : this.#inbox.splice(early, 1)
    if (message !== undefined) return Promise.resolve(message as With<Received, K>)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(`${this.#name} has not sent "${String(key)}" for ${PATIENCE_MS / 1000} s.`), PATIENCE_MS)
      this.#waiter = {
        key,
        resolve: (answer) => { clearTimeout(timer); resolve(answer as With<Received, K>) },
        reject: (err) => { clearTimeout(timer); reject(err) }
      }
    })
  }

  /** Ends the process; resolves when it has exited. */
  async stop (): Promise<void> {
    this.#stopped = true
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.kill('SIGKILL')
    await gone
  }

  #take (message: object): void {
    if ('failed' in message) return this.#fail(`${this.#name}: ${String(message.failed)}`)
    const waiter = this.#waiter
    if (waiter === undefined || !(waiter.key in message)) {
      this.#inbox.push(message)
      return
    }
    this.#waiter = undefined
    waiter.resolve(message)
  }

  #fail (reason: string): void {
    if (this.#stopped) return
    const waiter = this.#waiter
    this.#waiter = undefined
    if (waiter === undefined) throw new Error(reason)
    waiter.reject(new Error(reason))
  }
}
