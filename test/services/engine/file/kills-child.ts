// The program that kills.test.ts starts and kills: `kills-child.ts LIFE`, a `Life` as JSON. The program reports to
// standard output, one report a line: `name values`. Each report is written before the program goes on, so a report
// about the disk is always in front of the acknowledgements that depend on it.
import fs, { fstatSync, readdirSync, statSync, writeSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { openFileEngine } from '../../../../services/engine/file/engine.ts'
import { DISK, type Disk } from '../../../../services/engine/file/journal/disk.ts'
import { addressKey, type Draft } from '../../../../services/model/message.ts'
import { Random } from '../../../support/random.ts'
import { ADDRESSES, draftOf, idOf, readLog, STATE_KEYS, type Life } from './kills-drafts.ts'

const life = JSON.parse(process.argv[2] ?? '') as Life
const { path, retention, segmentBytes, hotBytes, syncMs, clockMs } = life

/** Reports, and returns when the pipe has the bytes. */
function report (...values: ReadonlyArray<string | number | boolean>): void {
  const bytes = Buffer.from(`${values.join(' ')}\n`)
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      // The pipe is full.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
    }
  }
}

/** A disk that reports the length of a segment that is on the disk, each time it has synced one. */
class ReportingDisk implements Disk {
  /** Names of the files that were opened last, by descriptor. */
  readonly #names = new Map<number, string>()
  /** Lengths of these files. */
  readonly #lengths = new Map<number, number>()

  async open (file: string, flags: string, mode?: number): Promise<number> {
    const fd = await DISK.open(file, flags, mode)
    this.note(fd, basename(file), 0)
    report('opened', basename(file))
    return fd
  }

  async write (fd: number, bytes: Buffer, from: number, length: number, position: number): Promise<number> {
    const written = await DISK.write(fd, bytes, from, length, position)
    this.#lengths.set(fd, Math.max(this.#lengths.get(fd) ?? 0, position + written))
    if (this.#names.get(fd)?.endsWith('.seg') === true) report('written')
    return written
  }

  async fdatasync (fd: number): Promise<void> {
    const length = this.#lengths.get(fd)
    const name = this.#names.get(fd) ?? ''
    if (syncMs > 0 && name.endsWith('.seg')) await wait(syncMs)
    await DISK.fdatasync(fd)
    if (name.endsWith('.seg')) report('synced', name, length ?? 0)
  }

  async ftruncate (fd: number, length: number): Promise<void> {
    await DISK.ftruncate(fd, length)
    this.#lengths.set(fd, length)
  }

  fsync (fd: number): Promise<void> { return DISK.fsync(fd) }
  close (fd: number): Promise<void> { return DISK.close(fd) }
  unlink (file: string): Promise<void> { return DISK.unlink(file) }

  /** Notes a file that was opened. */
  note (fd: number, name: string, length: number): void {
    this.#names.set(fd, name)
    this.#lengths.set(fd, length)
  }
}

const disk = new ReportingDisk()

// The start of an engine syncs the segment that the journal continues, without the disk of the journal.
const { fdatasyncSync } = fs
const fdatasyncAndReport = (fd: number): void => {
  const { ino, size } = fstatSync(fd)
  fdatasyncSync(fd)
  const isFile = (name: string): boolean => statSync(join(path, name), { throwIfNoEntry: false })?.ino === ino
  const name = readdirSync(path).find((one) => one.endsWith('.seg') && isFile(one))
  if (name === undefined) return
  disk.note(fd, name, size)
  report('synced', name, size)
}
Object.assign(fs, { fdatasyncSync: fdatasyncAndReport })
syncBuiltinESMExports()

const reportAs = (level: string) => (_fields: unknown, sentence?: unknown) => report('logged', level, String(sentence))
const log = { debug: () => {}, info: reportAs('info'), warn: reportAs('warn'), error: reportAs('error') }
const now = (): number => Date.now() + clockMs
const engine = await openFileEngine({ ...retention, now }, { path, log, segmentBytes, hotBytes, disk })
report('open')
engine.follow((message) => report('delivered', message.offset, idOf(message)))
report('content', JSON.stringify(await readLog(engine)))

const random = new Random(life.seed + life.number)
const repeated = [...life.repeated]
let operations = 0

async function append (draft: Draft): Promise<void> {
  const { offset, duplicate, stored } = await engine.append(draft)
  report('acknowledged', idOf(draft), offset, duplicate, stored)
}

async function purge (): Promise<void> {
  const address = random.oneOf(ADDRESSES)
  const purged = engine.purge(address)
  const offset = engine.head
  report('purging', offset, addressKey(address))
  await purged
  report('purged', offset, addressKey(address))
}

async function update (value: string | null): Promise<void> {
  const key = random.oneOf(STATE_KEYS)
  report('updating', key, JSON.stringify(value))
  await engine.state.update([key], () => value ?? undefined, 1_000_000_000)
  report('updated', key, JSON.stringify(value))
}

async function operate (): Promise<void> {
  const id = repeated.shift()
  if (id !== undefined) return append(draftOf(life.seed, id))
  const number = operations++
  if (random.below(300) === 0) return purge()
  if (random.below(20) === 0) return update(random.below(6) === 0 ? null : `${life.number}.${number}`)
  const draft = draftOf(life.seed, `${life.number}.${number}`)
  const isTwice = draft.key !== undefined && random.below(10) === 0
  await Promise.all(isTwice ? [append(draft), append(draft)] : [append(draft)])
}

async function work (): Promise<never> {
  for (;;) await operate()
}

try {
  await Promise.all(Array.from({ length: life.inFlight }, work))
} catch (error) {
  report('failed', String(error))
}
process.exit(1)
