// A reader of the log, written from docs/data-format.md alone: it imports nothing of the engine.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

interface LogRecord { kind: number, offset: number, at: number, until: number, name: string, options: string, payload: Buffer, bytes: number }
interface Limits { maxAgeMs: number, maxCount: number }
export interface ReaderLimits { log: Limits, inbox: Limits, maxBytes: number }

const number = (payload: Buffer): number => Number(payload.toString())
const [TEXT, BINARY, PURGE, VALUE, REMOVAL, LIVING, END] = [1, 3, 5, 6, 7, 12, 13] as const

/** Reads header and records of a file, up to the first group that is not intact; throws for a wrong header. */
function readLogFile (path: string, id: number) {
  const file = readFileSync(path)
  if (file.toString('latin1', 0, 8) !== 'fhublog\n' || file.readUInt32LE(68) !== crc32(file.subarray(0, 68))) throw new Error('wrong header')
  if (file.readUInt16LE(8) !== 1 || file.readUInt32LE(12) !== id) throw new Error('another layout, or another id')
  const records: LogRecord[] = []
  for (let start = 72, end; start + 32 <= file.length && file.readUInt32BE(start) === 0xF1677270; start = end) {
    end = start + 32 + file.readUInt32LE(start + 12)
    if (file.readUInt32LE(start + 4) !== crc32(file.subarray(start + 8, start + 32), id) || file.readUInt32LE(start + 8) !== start || end > file.length) break
    let sum = 0
    for (let at = start + 32, length; at < end; at += length) {
      length = file.readUInt32LE(at)
      const [options, payload] = [at + 40 + file.readUInt16LE(at + 10), at + 40 + file.readUInt16LE(at + 10) + file.readUInt32LE(at + 12)]
      if (file.readUInt32LE(at + 4) !== crc32(file.subarray(at + 8, at + length), id) || file.readUInt8(at + 8) !== 1) throw new Error('damage')
      sum = crc32(file.subarray(at + 4, at + 8), sum)
      const name = file.toString('utf8', at + 40, options).replace(/\uFFFF(....)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
      records.push({
        kind: file.readUInt8(at + 9), offset: file.readDoubleLE(at + 16), at: file.readDoubleLE(at + 24), until: file.readDoubleLE(at + 32),
        name, options: file.toString('utf8', options, payload), payload: Buffer.from(file.subarray(payload, at + length)), bytes: length + 24
      })
    }
    if (sum !== file.readUInt32LE(start + 20)) throw new Error('damage')
  }
  return { isSealed: file.readUInt16LE(10) === 1, records }
}

/** Reads a log: the living messages, by the key of their address, and the state. */
export function readLog (folder: string, limits: ReaderLimits, now: number) {
  const ids = (ending: string) => readdirSync(folder).filter((name) => name.endsWith(ending)).map((name) => Number.parseInt(name)).sort((a, b) => a - b)
  const read = (id: number, ending: string) => readLogFile(join(folder, String(id).padStart(8, '0') + ending), id)
  const next = ids('.checkpoint').at(-1) ?? 0
  const checkpoint = next === 0 ? [] : read(next, '.checkpoint').records
  const last = checkpoint.at(-1)
  if (last !== undefined && (last.kind !== END || number(last.payload) !== checkpoint.length - 1)) throw new Error('an incomplete checkpoint')
  const notes = new Map(checkpoint.filter(({ kind }) => kind === LIVING).map(({ options, payload }) => {
    const { id, count } = JSON.parse(options) as { id: number, count: number | null }
    return [id, { count, payload }]
  }))
  const offsetsIn = (payload: Buffer = Buffer.alloc(0)) => new Set(Array.from({ length: payload.length >> 3 }, (_, index) => payload.readDoubleLE(8 * index)))
  const [asOf, recent] = [last?.offset ?? 0, offsetsIn(notes.get(next)?.payload)]
  let alive: LogRecord[] = []
  const state = new Map<string, LogRecord>()
  const classOf = ({ name }: LogRecord) => name.startsWith('user:') ? limits.inbox : limits.log
  const apply = (record: LogRecord): void => {
    const { kind, name, at } = record
    if (kind === VALUE) state.set(name, record)
    else if (kind === REMOVAL) state.delete(name)
    else if (kind === PURGE) alive = alive.filter((one) => one.name !== name)
    else if (kind >= TEXT && kind <= BINARY) {
      alive = [...alive, record].filter((one) => one.until > at && one.at >= at - classOf(one).maxAgeMs)
      const excess = alive.filter((one) => one.name === name).length - classOf(record).maxCount
      if (excess > 0) alive = alive.filter((one, index) => one.name !== name || alive.slice(0, index).filter((two) => two.name === name).length >= excess)
      while (alive.reduce((sum, { bytes }) => sum + bytes, 0) > limits.maxBytes) alive.shift()
    }
  }
  for (const record of checkpoint) if (record.kind === VALUE) apply(record)
  for (const id of ids('.seg')) {
    const { isSealed, records } = read(id, '.seg')
    if (id >= next) {
      for (const record of records) {
        const isOld = record.offset <= asOf && (record.kind <= BINARY || record.kind === PURGE)
        if (!isOld) apply(record)
        else if (record.kind <= BINARY && recent.has(record.offset)) alive.push(record)
      }
      continue
    }
    const note = notes.get(id)
    if (note === undefined) continue
    const messages = records.filter(({ kind }) => kind <= BINARY).sort((a, b) => a.offset - b.offset)
    const bit = (index: number) => ((note.payload[index >> 3] ?? 0) >> (index & 7)) & 1
    const offsets = offsetsIn(note.payload)
    const isAlive = ({ offset }: LogRecord, index: number): boolean => {
      return note.count === null ? offsets.has(offset) : (isSealed && messages.length !== note.count) || bit(index) === 1
    }
    alive.push(...messages.filter(isAlive))
  }
  return {
    messages: alive.filter((one) => one.until > now && one.at >= now - classOf(one).maxAgeMs),
    state: new Map([...state].filter(([, { until }]) => until > now).map(([name, { payload }]) => [name, JSON.parse(payload.toString()) as unknown]))
  }
}
