import { readSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { checkpointName } from '../../engine/file/housekeeping/checkpoint.ts'
import { nameOf, numberOf } from '../../engine/file/codec.ts'
import {
  decodeHeader, HEADER_BYTES, isMessage, KIND, recordKind, recordLength, recordOffset, recordParts, recordTime,
  recordUntil, segmentName, type Predecessor, type SegmentHeader
} from '../../engine/file/journal/format.ts'
import { scanSegment } from '../../engine/file/journal/scan.ts'
import { listLog, withFile } from './folder.ts'

/** Where the records of a log go. */
export interface DumpOutput {
  /** Receives the lines of one or more records, with their line feeds. */
  write (lines: string): unknown
  /** Receives a sentence about damage. */
  warn (sentence: string): void
}

const NAMES = new Map<number, keyof typeof KIND>()
for (const name of Object.keys(KIND) as Array<keyof typeof KIND>) NAMES.set(KIND[name], name)
/** Kinds whose name is the key of an address. */
const ADDRESSED = new Set<number>([KIND.text, KIND.json, KIND.binary, KIND.purge, KIND.loss, KIND.evicted])
const BATCH_CHARACTERS = 64 * 1024

/**
 * Prints all records of a log. Only reads. Resolves to whether all files are intact.
 *
 * @param address The key of an address, whose records alone are printed; undefined for all records.
 * @throws {Error} When the folder holds no log, or the log of another version.
 */
export async function dumpLog (folder: string, address: string | undefined, output: DumpOutput): Promise<boolean> {
  const { path, segments, checkpoints } = listLog(folder)
  const newest = checkpoints.at(-1)
  const files = segments.map((id) => ({ id, name: segmentName(id) }))
  if (newest !== undefined) {
    const at = files.findIndex(({ id }) => id >= newest)
    files.splice(at === -1 ? files.length : at, 0, { id: newest, name: checkpointName(newest) })
  }
  let isIntact = true
  for (const { id, name } of files) {
    const following = segments.find((one) => one > id)
    const named = following === undefined ? null : withFile(path, segmentName(following), headerOf)?.predecessor ?? null
    const expected = named?.id === id && name === segmentName(id) ? named : null
    const isGood = withFile(path, name, (fd, size) => dumpFile({ fd, size, id, name, expected }, address, output))
    if (isGood === false) isIntact = false
    // A reader such as `head` may have closed the pipe, which ends the process.
    await nextTurn()
  }
  return isIntact
}

interface FileToDump {
  readonly fd: number
  readonly size: number
  readonly id: number
  readonly name: string
  /** The segment as the header of its successor names it; null without a successor. */
  readonly expected: Predecessor | null
}

/** Prints the intact records of a file. Returns whether it has no others. */
function dumpFile (file: FileToDump, address: string | undefined, output: DumpOutput): boolean {
  const { fd, name } = file
  const isSealed = headerOf(fd)?.sealed != null
  const found: Array<{ readonly offset: number, readonly position: number, readonly length: number }> = []
  let lines = ''
  const print = (bytes: Buffer, at: number, position: number): void => {
    lines += lineOf(bytes, at, position, name)
    if (lines.length < BATCH_CHARACTERS) return
    output.write(lines)
    lines = ''
  }
  const scan = scanSegment(file, (bytes, at, position) => {
    const kind = recordKind(bytes, at)
    if (address !== undefined && !(ADDRESSED.has(kind) && nameOf(bytes, at) === address)) return
    // A sealed file is sorted by address: its records are read again in the order of their offsets.
    if (isSealed) found.push({ offset: recordOffset(bytes, at), position, length: recordLength(bytes, at) })
    else print(bytes, at, position)
  })
  for (const { position, length } of found.sort((a, b) => a.offset - b.offset)) {
    const bytes = Buffer.alloc(length)
    readSync(fd, bytes, 0, length, position)
    print(bytes, 0, position)
  }
  if (lines !== '') output.write(lines)
  const { header, missing, damages, doubtful } = scan
  if (header !== null && missing === 0 && damages.length === 0 && doubtful === null) return true
  output.warn(`${name} is damaged; fastify-hub log verify has the details.`)
  return false
}

/** The header of a file; null for a damaged one. */
function headerOf (fd: number): SegmentHeader | null {
  const bytes = Buffer.alloc(HEADER_BYTES)
  readSync(fd, bytes, 0, HEADER_BYTES, 0)
  return decodeHeader(bytes)
}

function lineOf (bytes: Buffer, at: number, position: number, file: string): string {
  const kind = recordKind(bytes, at)
  const [offset, time, until] = [recordOffset(bytes, at), recordTime(bytes, at), recordUntil(bytes, at)]
  const { options, payload } = recordParts(bytes, at)
  const name = nameOf(bytes, at)
  const fields = JSON.stringify({
    file,
    position,
    ...(offset === 0 ? {} : { offset }),
    ...(time === 0 ? {} : { at: isoTime(time) }),
    ...(until === Infinity ? {} : { until: isoTime(until) }),
    kind: NAMES.get(kind),
    ...(name === '' ? {} : { [nameField(kind)]: name })
  })
  const optionsJson = options.length === 0 ? '' : `,"options":${asJson(options.toString())}`
  const hasPayload = isMessage(kind) || (payload.length > 0 && kind !== KIND.padding)
  const payloadJson = !hasPayload ? '' : `,"payload":${payloadOf(kind, bytes, at, payload)}`
  return `${fields.slice(0, -1)}${optionsJson}${payloadJson}}\n`
}

function nameField (kind: number): string {
  if (ADDRESSED.has(kind)) return 'address'
  return kind === KIND.keyUse ? 'key' : 'state'
}

/** The payload as JSON. */
function payloadOf (kind: number, bytes: Buffer, at: number, payload: Buffer): string {
  switch (kind) {
    case KIND.text: return JSON.stringify(payload.toString())
    case KIND.json:
    case KIND.value: return asJson(payload.toString())
    case KIND.loss:
    case KIND.evicted:
    case KIND.dropped:
    case KIND.end: return String(numberOf(bytes, at))
    default: return JSON.stringify(payload.toString('base64'))
  }
}

/** JSON in one line, with its numbers as they are written; another text as a string. */
function asJson (text: string): string {
  try {
    JSON.parse(text)
    // Line ends in JSON are white space.
    return text.replace(/[\r\n]+/g, ' ')
  } catch {
    return JSON.stringify(text)
  }
}

function isoTime (ms: number): string | number {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : ms
}
