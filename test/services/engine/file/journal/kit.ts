import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Test } from 'tap'
import { DISK, type Disk } from '../../../../../services/engine/file/journal/disk.ts'
import { encodeRecord, KIND, type Kind } from '../../../../../services/engine/file/journal/format.ts'
import type { Group, JournalRecord } from '../../../../../services/engine/file/journal/group.ts'
import { Journal, type JournalOptions } from '../../../../../services/engine/file/journal/journal.ts'
import type { Segment } from '../../../../../services/engine/file/journal/segment.ts'
import type { Offset } from '../../../../../services/model/message.ts'
import { testFolder } from '../../../../support/test-folder.ts'

/** A disk that records its calls and fails as the test asks. */
export class FaultyDisk implements Disk {
  readonly calls: string[] = []
  /** Paths of the files that were opened last, by descriptor. */
  readonly paths = new Map<number, string>()
  /** Runs before each call; throws to fail it, or returns the number of bytes that a write takes. */
  fault: (call: keyof Disk, fd: number, position: number) => unknown = () => undefined

  async open (path: string, flags: string, mode?: number) {
    const fd = await this.#run('open', -1, 0, () => DISK.open(path, flags, mode))
    this.paths.set(fd, path)
    return fd
  }

  async write (fd: number, bytes: Buffer, from: number, length: number, position: number) {
    let taken = length
    await this.#run('write', fd, position, async (limit) => {
      if (typeof limit === 'number') taken = Math.min(limit, length)
      if (taken > 0) await DISK.write(fd, bytes, from, taken, position)
    })
    return taken
  }

  fdatasync (fd: number) { return this.#run('fdatasync', fd, 0, () => DISK.fdatasync(fd)) }
  fsync (fd: number) { return this.#run('fsync', fd, 0, () => DISK.fsync(fd)) }
  ftruncate (fd: number, length: number) { return this.#run('ftruncate', fd, length, () => DISK.ftruncate(fd, length)) }
  close (fd: number) { return this.#run('close', fd, 0, () => DISK.close(fd)) }
  unlink (path: string) { return this.#run('unlink', -1, 0, () => DISK.unlink(path)) }

  /** Removes the recorded calls and returns them. */
  take (): string[] {
    return this.calls.splice(0)
  }

  async #run<T> (call: keyof Disk, fd: number, position: number, act: (result: unknown) => Promise<T>): Promise<T> {
    this.calls.push(call)
    return act(await this.fault(call, fd, position))
  }
}

/** An error as the system reports it. */
export function systemError (code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** A journal with what its hooks received. */
export interface Opened {
  readonly journal: Journal
  readonly disk: FaultyDisk
  readonly folder: string
  readonly segments: Segment[]
  readonly problems: Array<string | null>
  /** Resolves when writes begin to fail, or succeed again. */
  nextProblem (): Promise<string | null>
}

/** Opens a journal in a folder of the test, with short pauses between attempts. */
export function openJournal (t: Test, options: Partial<JournalOptions> = {}): Opened {
  const folder = options.folder ?? testFolder(t)
  const disk = new FaultyDisk()
  const segments: Segment[] = []
  const problems: Array<string | null> = []
  let listeners: Array<(problem: string | null) => void> = []
  const journal = new Journal({
    folder,
    origin: 1000,
    start: { id: 1, predecessor: null },
    retryMs: { first: 1, longest: 4 },
    disk,
    onRoll: (_full, next) => { segments.push(next) },
    onProblem: (problem) => {
      problems.push(problem)
      for (const listener of listeners.splice(0)) listener(problem)
    },
    explain: (error) => `failed: ${String(error)}`,
    ...options
  })
  // The pauses of the journal do not keep the process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    clearInterval(alive)
    disk.fault = () => undefined
    await journal.close(1000)
    for (const segment of segments) segment.close()
    listeners = []
  })
  return {
    journal, disk, folder, segments, problems,
    nextProblem: () => new Promise((resolve) => listeners.push(resolve))
  }
}

/** A message for the journal. */
export function message (offset: Offset, size = 200, kind: Kind = KIND.text): JournalRecord {
  const payload = `${offset}:`.padEnd(size, 'x')
  const name = Buffer.from(`user:${offset % 7}`)
  const bytes = encodeRecord({ kind, offset, at: offset, until: Infinity, name, options: '', payload })
  return { bytes, offset }
}

/** Pushes records that the journal must take, and returns their groups without repetitions. */
export function pushAll (journal: Journal, records: readonly JournalRecord[]): Group[] {
  const groups = new Set<Group>()
  for (const record of records) {
    const group = journal.push(record)
    if (group === null) throw new Error(`The journal refused the record with offset ${record.offset}.`)
    groups.add(group)
  }
  return [...groups]
}

/** The records of an intact file, read without the code under test; throws for a file with any damage. */
export function readNaively (path: string): { id: number, offsets: number[], groups: number[], previous: number[] } {
  const bytes = readFileSync(path)
  const id = bytes.readUInt32LE(12)
  const offsets: number[] = []
  const groups: number[] = []
  for (let at = 72; at < bytes.length;) {
    groups.push(at)
    if (bytes.readUInt32LE(at + 8) !== at) throw new Error(`The group at ${at} names another position.`)
    if (bytes.readUInt32LE(at + 4) !== crc32(bytes.subarray(at + 8, at + 32), id)) throw new Error(`The group at ${at} is damaged.`)
    const end = at + 32 + bytes.readUInt32LE(at + 12)
    const sums: Buffer[] = []
    for (at += 32; at < end; at += bytes.readUInt32LE(at)) {
      const record = bytes.subarray(at, at + bytes.readUInt32LE(at))
      if (record.readUInt32LE(4) !== crc32(record.subarray(8), id)) throw new Error(`The record at ${at} is damaged.`)
      offsets.push(record.readDoubleLE(16))
      sums.push(record.subarray(4, 8))
    }
    const start = groups.at(-1) ?? 0
    if (bytes.readUInt32LE(start + 20) !== crc32(Buffer.concat(sums), 0)) throw new Error('The sum of sums is wrong.')
    if (bytes.readUInt32LE(start + 16) !== sums.length) throw new Error('The count is wrong.')
  }
  return { id, offsets, groups, previous: [bytes.readUInt32LE(24), bytes.readDoubleLE(32), bytes.readDoubleLE(40)] }
}

/** All segment files of a folder, read without the code under test. */
export function readFolder (folder: string) {
  return readdirSync(folder).sort().map((name) => readNaively(join(folder, name)))
}
