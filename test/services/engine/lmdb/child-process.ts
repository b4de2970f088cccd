import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { program } from '../../../support/program.ts'

const { path, execArgv } = program('child.ts', import.meta.url)

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
    const command = [process.execPath, '--enable-source-maps', ...execArgv, path, ...args]
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
