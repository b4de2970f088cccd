import type { AddressKey, Offset } from '../../model/message.ts'
import type { Batch } from './batch.ts'
import type { Entry } from './entry.ts'
import { decodeShelf, endOfTable, keyOf, messageKey, numberAtEnd, orderKey } from './layout.ts'
import type { LmdbFile } from './file.ts'
import { MAX_KEYS, RETENTION_CLASSES, type RetentionClass } from '../local/retention.ts'
import { ageFloor } from './time.ts'

/** The most entries of each kind that one transaction evicts, so that a sweep stays short. */
const STEP = 2000
/** The same limit for messages over `maxBytes`: the size of a full transaction, in small messages. */
const BYTES_STEP = 10_000

/** The added messages that remain, and whether more entries are due for eviction than one transaction may evict. */
export interface Room {
  readonly entries: readonly Entry[]
  readonly hasMore: boolean
}

/** Evicts expired entries, messages over age, over count and over bytes; always the oldest first. */
export function makeRoom (batch: Batch): Room {
  const sweeps = [endMessages(batch), endUses(batch), endValues(batch), ...RETENTION_CLASSES.map((shelf) => ageOut(batch, shelf))]
  const entries = trimLines(batch)
  const { isDone, kept } = trimBytes(batch, entries)
  return { entries: kept, hasMore: !isDone || sweeps.includes(false) }
}

/** The tables with keys in the order of expiry. */
type EndTable = 'end' | 'useEnd' | 'valueEnd'

/** Returns whether the store still contains expired messages. */
export function haveEnded (store: LmdbFile, now: number): boolean {
  return store.first(endedRange('end', now)) !== undefined
}

function endedRange (table: EndTable, now: number) {
  return { start: keyOf(table), end: keyOf(table, now, LAST) }
}
/** A byte greater than any byte after the expiry time in such a key. */
const LAST = Buffer.of(0xff)

/** Returns the range of a retention class below an offset. */
function shelfRange (shelf: RetentionClass, end: number) {
  return { start: orderKey(shelf, 0), end: orderKey(shelf, end) }
}

/** Evicts expired messages. This function and the next three return false when further entries may be due. */
function endMessages (batch: Batch): boolean {
  let found = 0
  for (const { key, value } of batch.store.entries({ ...endedRange('end', batch.now), limit: STEP })) {
    found++
    const [shelf, offset] = [decodeShelf(value), numberAtEnd(key)]
    const order = batch.orderAt(shelf, offset)
    if (order !== null) batch.remove(shelf, offset, order, false)
  }
  return found < STEP
}

function endUses (batch: Batch): boolean {
  let found = 0
  const surplus = batch.totals.uses - MAX_KEYS
  const range = surplus > 0 ? { start: keyOf('useEnd'), end: endOfTable('useEnd'), limit: Math.min(surplus, STEP) } : { ...endedRange('useEnd', batch.now), limit: STEP }
  for (const key of batch.store.keys(range)) {
    found++
    batch.endUse(key.readDoubleBE(1), key.subarray(9))
  }
  return found < STEP
}

function endValues (batch: Batch): boolean {
  let found = 0
  for (const key of batch.store.keys({ ...endedRange('valueEnd', batch.now), limit: STEP })) {
    found++
    batch.endValue(key.readDoubleBE(1), key.subarray(9))
  }
  return found < STEP
}

function ageOut (batch: Batch, shelf: RetentionClass): boolean {
  let found = 0
  for (const key of batch.store.keys({ ...shelfRange(shelf, ageFloor(batch.retention[shelf], batch.now)), limit: STEP })) {
    found++
    evict(batch, shelf, numberAtEnd(key))
  }
  return found < STEP
}

/** Evicts messages over count from the stream of every address with added messages. Returns the remaining messages. */
function trimLines (batch: Batch): Entry[] {
  const lines = new Map<AddressKey, Entry[]>()
  for (const entry of batch.entries) {
    const line = lines.get(entry.key)
    if (line === undefined) lines.set(entry.key, [entry])
    else line.push(entry)
  }
  const dropped = new Set<Entry>()
  for (const line of lines.values()) for (const entry of trimLine(batch, line)) dropped.add(entry)
  for (const entry of dropped) batch.drop(entry)
  return batch.entries.filter((entry) => !dropped.has(entry))
}

/** Evicts stored messages of one stream. Returns the oldest added messages that exceed `maxCount` by themselves. */
function trimLine (batch: Batch, line: readonly Entry[]): Entry[] {
  const [first] = line
  if (first === undefined) return []
  const { address, shelf } = first
  const { maxCount } = batch.retention[shelf]
  let surplus = Math.min(batch.countOf(address) + line.length - maxCount, line.length + STEP)
  if (surplus > 0) {
    for (const key of batch.store.keys({ start: messageKey(address, 0), end: messageKey(address, Infinity) })) {
      if (surplus <= 0) break
      if (evict(batch, shelf, numberAtEnd(key))) surplus--
    }
  }
  return line.slice(0, Math.max(0, line.length - maxCount))
}

function trimBytes (batch: Batch, entries: readonly Entry[]): { readonly isDone: boolean, readonly kept: readonly Entry[] } {
  let bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
  const isOver = () => batch.totals.bytes + bytes > batch.retention.maxBytes
  if (!isOver()) return { isDone: true, kept: entries }

  let found = 0
  for (const { shelf, offset } of oldestFirst(batch.store)) {
    evict(batch, shelf, offset)
    if (!isOver()) return { isDone: true, kept: entries }
    if (++found >= BYTES_STEP) return { isDone: false, kept: entries }
  }
  let first = 0
  for (; isOver(); first++) {
    const entry = entries[first]
    if (entry === undefined) break
    batch.drop(entry)
    bytes -= entry.bytes
  }
  return { isDone: true, kept: entries.slice(first) }
}

/** Yields all stored messages in the order of age. */
function * oldestFirst (store: LmdbFile): Generator<{ readonly shelf: RetentionClass, readonly offset: Offset }, void> {
  const [logs, inboxes] = RETENTION_CLASSES.map((shelf) => store.keys(shelfRange(shelf, Infinity))[Symbol.iterator]())
  if (logs === undefined || inboxes === undefined) return
  try {
    let [log, inbox] = [next(logs), next(inboxes)]
    while (log < Infinity || inbox < Infinity) {
      if (log < inbox) {
        yield { shelf: 'log', offset: log }
        log = next(logs)
      } else {
        yield { shelf: 'inbox', offset: inbox }
        inbox = next(inboxes)
      }
    }
  } finally {
    logs.return?.()
    inboxes.return?.()
  }
}

function next (keys: Iterator<Buffer, unknown>): Offset {
  const { done, value } = keys.next()
  return done === true ? Infinity : numberAtEnd(value)
}

/** Evicts a message. Returns whether the store still had the message. An expired message causes no gap for a reader. */
function evict (batch: Batch, shelf: RetentionClass, offset: Offset): boolean {
  const order = batch.orderAt(shelf, offset)
  if (order === null) return false
  batch.remove(shelf, offset, order, order.until > batch.now)
  return true
}
