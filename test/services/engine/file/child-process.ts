import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { program } from '../../../support/program.ts'

const { path, execArgv } = program('child.ts', import.meta.url)

/** A process that runs child.ts on a folder. The end of the test kills the process. */
export class Child {
  readonly process: ChildProcess
  /** The lines of its standard output so far. */
  readonly lines: string[] = []
  errors = ''
  #wake: () => void = () => {}

  /** `shell`: the command that a shell executes before it becomes the process. */
  constructor (t: Test, args: readonly string[], shell = 'true') {
    const command = [process.execPath, '--enable-source-maps', ...execArgv, path, ...args]
    const script = `${shell}; exec "$@"`
    this.process = spawn('bash', ['-c', script, 'bash', ...command], { stdio: ['pipe', 'pipe', 'pipe'] })
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

  /** The values of a report, one for each line `name value`. */
  reports (name: string): string[] {
    return this.lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1))
  }

  /** Resolves when the process has printed a report this number of times. */
  async until (name: string, times = 1): Promise<void> {
    while (this.reports(name).length < times) {
      const { exitCode, signalCode } = this.process
      if (exitCode !== null || signalCode !== null) {
        const last = this.lines.slice(-3).join(' | ')
        throw new Error(`the process ended with ${exitCode} ${signalCode} before ${name}: ${last} ${this.errors}`)
      }
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
  }

  /** Writes a line to its standard input. */
  send (line: string): void {
    this.process.stdin?.write(`${line}\n`)
  }

  /** Resolves when the process has ended and all of its output has been read. */
  async closed (): Promise<{ code: number | null, signal: string | null }> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'close')
    return { code: this.process.exitCode, signal: this.process.signalCode }
  }

  /** Kills the process with SIGKILL, which a process cannot handle. */
  async kill (): Promise<void> {
    this.process.kill('SIGKILL')
    await this.closed()
  }
}
