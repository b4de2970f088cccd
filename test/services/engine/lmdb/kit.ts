import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { LmdbEngine, type LmdbPlace } from '../../../../services/engine/lmdb/engine.ts'
import type { Retention } from '../../../../services/engine/local/retention.ts'

/** Limits within which nothing leaves the log by itself. */
export const ROOMY = {
  log: { maxAgeMs: 86_400_000, maxCount: 1_000_000 },
  inbox: { maxAgeMs: 86_400_000, maxCount: 1_000_000 },
  maxBytes: 1024 ** 3,
  idempotencyWindowMs: 60_000
} satisfies Retention

/** A logger that keeps the sentences. */
export class Sentences {
  readonly all: Array<{ readonly level: string, readonly circumstances: object, readonly sentence: string }> = []
  readonly debug = this.#note('debug')
  readonly info = this.#note('info')
  readonly warn = this.#note('warn')
  readonly error = this.#note('error')

  at (level: string): string[] {
    return this.all.filter((one) => one.level === level).map(({ sentence }) => sentence)
  }

  #note (level: string) {
    return (circumstances: unknown, sentence?: unknown) => { this.all.push({ level, circumstances: circumstances as object, sentence: String(sentence) }) }
  }
}

/** An engine on a folder; closed when the test ends, unless it was before. */
export async function openEngine (t: Test, path: string, retention: Partial<Retention> = {}, place: Partial<LmdbPlace> = {}): Promise<LmdbEngine> {
  const engine = await LmdbEngine.open({ ...ROOMY, ...retention }, { path, log: new Sentences(), ...place })
  t.teardown(() => engine.close())
  return engine
}

const PROGRAM = fileURLToPath(new URL('child.ts', import.meta.url))
const TSX = ['--import', import.meta.resolve('tsx')]

/** A process of its own that works on a folder, as child.ts says; gone when the test ends. */
export class Child {
  readonly process: ChildProcess
  /** What it has said so far. */
  readonly lines: string[] = []
  errors = ''
  #wake: () => void = () => {}

  /** `shell`: what a shell does before it becomes the process. */
  constructor (t: Test, args: readonly string[], shell = 'true') {
    // The test runner puts itself into every program that is started, and makes it end at signals that it would ignore.
    const command = [process.execPath, ...TSX, PROGRAM, ...args]
    this.process = spawn('bash', ['-c', `${shell}; exec env -u NODE_OPTIONS "$@"`, 'bash', ...command], { stdio: ['pipe', 'pipe', 'pipe'] })
    t.teardown(() => this.process.kill('SIGKILL'))
    this.process.stderr?.on('data', (chunk: Buffer) => { this.errors += chunk.toString() })
    if (this.process.stdout !== null) {
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        this.lines.push(line)
        this.#wake()
      })
    }
    this.process.on('close', () => this.#wake())
  }

  /** What followed a word on the lines that begin with it. */
  said (word: string): string[] {
    return this.lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1))
  }

  /** Resolves when it has said a word so many times. */
  async until (word: string, times = 1): Promise<void> {
    while (this.said(word).length < times) {
      if (this.process.exitCode !== null || this.process.signalCode !== null) throw new Error(`it ended with ${String(this.process.exitCode)} ${String(this.process.signalCode)} before it said ${word}: ${this.lines.slice(-3).join(' | ')} ${this.errors}`)
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
  }

  tell (line: string): void {
    this.process.stdin?.write(`${line}\n`)
  }

  /** Resolves when it has ended and all it said has come. */
  async ended (): Promise<{ code: number | null, signal: string | null }> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'close')
    return { code: this.process.exitCode, signal: this.process.signalCode }
  }

  /** Ends it without a warning. */
  async kill (): Promise<void> {
    this.process.kill('SIGKILL')
    await this.ended()
  }
}
