// The reports of all lives of a folder, and the promises that follow from the reports.
import { addressKey, type AddressKey, type Offset } from '../../../../services/model/message.ts'
import type { Retention } from '../../../../services/engine/local/retention.ts'
import { contentOf, draftOf, STATE_KEYS, type LogContent, type Reading } from './kills-drafts.ts'

/** A message that a follower received. */
interface Delivered {
  readonly id: string
  readonly offset: Offset
  readonly key: AddressKey
  readonly isKept: boolean
}

/** A purge that was begun. */
interface Purge {
  readonly offset: Offset
  readonly key: AddressKey
}

/** The purges of an address. */
interface Purges {
  /** The greatest acknowledged one; 0 without one. */
  done: Offset
  /** The others, which a later life may or may not have. */
  readonly begun: Set<Offset>
}

/** The limit by which the log of a folder evicts messages: none, the count of each address, or the bytes of all. */
export type Limit = 'none' | 'count' | 'bytes'

/** Log messages about a group that was being written: no sign of lost messages, the second one after a power cut. */
const TORN = 'the end of the log was not written completely'
const DOUBTFUL = 'the end of the log is damaged, or was not written completely'

/** Takes the reports of the lives of a folder, and collects the promises that the log breaks. */
export class History {
  readonly broken: string[] = []
  acknowledged = 0
  /** Messages that a later life has answered as duplicates. */
  duplicates = 0
  /** Checks of the whole content. */
  checks = 0
  /** Lengths of the segment files that are on the disk, by name. */
  readonly synced = new Map<string, number>()
  /** Whether a power cut has changed the end of a segment. */
  isChanged = false
  readonly #seed: number
  readonly #limit: Limit
  readonly #retention: Retention
  /** Every message that a follower received, by offset. */
  readonly #delivered = new Map<Offset, Delivered>()
  /** Offsets of the messages that must be in the log, by address, unless they were evicted or purged. */
  readonly #stored = new Map<AddressKey, Set<Offset>>()
  /** Offsets of the idempotency keys that must be known, by the id of the draft. */
  readonly #keys = new Map<string, { readonly offset: Offset, readonly stored: boolean }>()
  /** Ids of drafts with a key, of all lives. */
  readonly #keyed = new Set<string>()
  readonly #purges = new Map<AddressKey, Purges>()
  /** Values of each key of the state that the log may have: the last acknowledged one, and the later ones. */
  readonly #values = new Map<string, string[]>(STATE_KEYS.map((key) => [key, ['null']]))
  /** Messages and purges of this life that may not be on the disk, in the order of their offsets. */
  #unsettled: Array<Delivered | Purge> = []
  #highest: Offset = 0
  /** Greatest offset of all lives before this one. */
  #highestBefore: Offset = 0
  #life = 0

  constructor (seed: number, limit: Limit, retention: Retention) {
    this.#seed = seed
    this.#limit = limit
    this.#retention = retention
  }

  /** Begins the reports of the next life. */
  begin (): void {
    this.#life++
    this.#unsettled = []
    this.#highestBefore = this.#highest
  }

  /** Ids of the drafts with a key that a life appends again: the last ones, and some of the others. */
  repeated (pick: (list: readonly string[]) => string): string[] {
    const ids = [...this.#keyed]
    const some = ids.length === 0 ? [] : Array.from({ length: 50 }, () => pick(ids))
    return [...new Set([...ids.slice(-50), ...some])]
  }

  /** Takes a report of the life. */
  take (line: string): void {
    const [name = '', ...values] = line.split(' ')
    const [first = '', second = '', third = '', fourth = ''] = values
    if (name === 'delivered') this.#noteDelivered(Number(first), second)
    else if (name === 'acknowledged') this.#noteAcknowledged(first, Number(second), third === 'true', fourth === 'true')
    else if (name === 'purging') this.#notePurging(Number(first), second)
    else if (name === 'purged') this.#notePurged(Number(first), second)
    else if (name === 'updating') this.#values.get(first)?.push(second)
    else if (name === 'updated') this.#noteUpdated(first, second)
    else if (name === 'opened') this.synced.set(first, 0)
    else if (name === 'synced') this.synced.set(first, Number(second))
    else if (name === 'logged') this.noteLogged(first, values.slice(1).join(' '))
    else if (name === 'failed') this.#fail(values.join(' '))
    else if (name === 'content') this.check(JSON.parse(line.slice('content '.length)) as LogContent)
  }

  /** Compares the content of the log after a start with the reports of the lives before. */
  check ({ head, of, values }: LogContent): void {
    this.checks++
    if (head < this.#highest) this.#fail(`the head ${head} is below the offset ${this.#highest}`)
    const found = new Map<string, Offset>()
    for (const [key, reading] of Object.entries(of)) {
      this.#checkMessages(key, reading, found)
      this.#checkPurges(key, reading)
      this.#checkStored(key, reading)
      this.#checkGap(key, reading)
    }
    for (const [key, value] of Object.entries(values)) {
      const allowed = this.#values.get(key) ?? []
      const text = JSON.stringify(value)
      if (!allowed.includes(text)) this.#fail(`the value of ${key} is ${text}, and not one of ${allowed.join(', ')}`)
    }
  }

  /** Takes a log message of the engine. */
  noteLogged (level: string, sentence: string): void {
    if (level === 'info' || sentence.startsWith(TORN) || (this.isChanged && sentence.startsWith(DOUBTFUL))) return
    this.#fail(`the log message was "${sentence}"`)
  }

  #fail (sentence: string): void {
    this.broken.push(`life ${this.#life}: ${sentence}`)
  }

  #noteDelivered (offset: Offset, id: string): void {
    const draft = draftOf(this.#seed, id)
    const delivered = { id, offset, key: addressKey(draft.address), isKept: draft.keep !== false }
    this.#noteOffset(offset)
    this.#delivered.set(offset, delivered)
    this.#unsettled.push(delivered)
    if (draft.key !== undefined) this.#keyed.add(id)
  }

  /** Notes a new offset: offsets rise, over all lives. */
  #noteOffset (offset: Offset): void {
    if (offset <= this.#highest) this.#fail(`the new offset ${offset} is not above ${this.#highest}`)
    this.#highest = Math.max(this.#highest, offset)
  }

  #noteAcknowledged (id: string, offset: Offset, duplicate: boolean, stored: boolean): void {
    this.acknowledged++
    const draft = draftOf(this.#seed, id)
    const text = `${id} was acknowledged with offset ${offset}, duplicate ${duplicate}, stored ${stored}`
    const known = this.#keys.get(id)
    const message = this.#delivered.get(offset)
    if (message?.id !== id) this.#fail(`${text}, and delivered was ${message?.id}`)
    if (stored !== (draft.keep !== false)) this.#fail(`${text}, and keep is ${draft.keep}`)
    if (known !== undefined && offset !== known.offset) this.#fail(`${text}, and before with offset ${known.offset}`)
    const isOld = offset <= this.#highestBefore
    if (isOld && !duplicate) this.#fail(`${text}, and the offset is of an earlier life`)
    if (isOld) this.duplicates++
    if (!stored) return
    this.#noteStored(id, offset, addressKey(draft.address))
    if (!isOld) this.#settle(offset)
  }

  /** Notes that all records of this life up to an offset are on the disk: the journal writes them in their order. */
  #settle (upTo: Offset): void {
    let count = 0
    for (const record of this.#unsettled) {
      if (record.offset > upTo) break
      count++
      if (!('id' in record)) this.#notePurged(record.offset, record.key)
      else if (record.isKept) this.#noteStored(record.id, record.offset, record.key)
      else this.#keys.set(record.id, { offset: record.offset, stored: false })
    }
    this.#unsettled.splice(0, count)
  }

  #noteStored (id: string, offset: Offset, key: AddressKey): void {
    this.#keys.set(id, { offset, stored: true })
    const stored = this.#stored.get(key) ?? new Set()
    this.#stored.set(key, stored.add(offset))
  }

  #purgesOf (key: AddressKey): Purges {
    const purges = this.#purges.get(key) ?? { done: 0, begun: new Set() }
    this.#purges.set(key, purges)
    return purges
  }

  #notePurging (offset: Offset, key: AddressKey): void {
    this.#noteOffset(offset)
    this.#purgesOf(key).begun.add(offset)
    this.#unsettled.push({ offset, key })
  }

  #notePurged (offset: Offset, key: AddressKey): void {
    const purges = this.#purgesOf(key)
    purges.done = Math.max(purges.done, offset)
  }

  #noteUpdated (key: string, value: string): void {
    const values = this.#values.get(key) ?? []
    values.splice(0, values.indexOf(value))
  }

  /** Checks that each message was delivered with this offset and content, and is there once, in order. */
  #checkMessages (key: AddressKey, { messages, count }: Reading, found: Map<string, Offset>): void {
    let last: Offset = 0
    if (count !== messages.length) this.#fail(`${key} has ${messages.length} messages, and ${count} by its summary`)
    for (const [offset, content] of messages) {
      const message = this.#delivered.get(offset)
      const { id = '' } = message ?? {}
      if (offset <= last) this.#fail(`the offset ${offset} of ${key} follows ${last}`)
      last = offset
      if (message?.isKept !== true) this.#fail(`${key} has ${content} at ${offset}, and delivered was ${id}`)
      else if (content !== contentOf(draftOf(this.#seed, id))) this.#fail(`${key} has ${content} in place of ${id}`)
      if (message?.key !== key) this.#fail(`${key} has ${content} of another address`)
      if (found.has(id)) this.#fail(`${id} is in the log at ${found.get(id)} and at ${offset}`)
      found.set(id, offset)
    }
  }

  /** Checks that no acknowledged purge is undone. */
  #checkPurges (key: AddressKey, { messages }: Reading): void {
    const purges = this.#purgesOf(key)
    const first = messages[0]?.[0] ?? Infinity
    if (first <= purges.done) this.#fail(`${key} has a message at ${first}, in front of its purge ${purges.done}`)
    // A purge that this life does not have is in no later life.
    for (const offset of purges.begun) if (offset > first) purges.begun.delete(offset)
  }

  /** Checks that each stored message is there, unless it was evicted: then all older ones are, and there is a gap. */
  #checkStored (key: AddressKey, { messages, gapUpTo }: Reading): void {
    const floor = this.#floorOf(key)
    const offsets = new Set(messages.map(([offset]) => offset))
    const first = messages[0]?.[0] ?? Infinity
    const missing = [...this.#stored.get(key) ?? []].filter((offset) => offset > floor && !offsets.has(offset))
    if (missing.length === 0) return
    const last = Math.max(...missing)
    const text = `${key} misses ${missing.length} messages up to ${last} (${this.#delivered.get(last)?.id})`
    if (this.#limit === 'none') this.#fail(text)
    else if (last > first) this.#fail(`${text}, and has ${first}`)
    else if (last > gapUpTo) this.#fail(`${text}, and a gap up to ${gapUpTo}`)
    const { log, inbox } = this.#retention
    const { maxCount } = key.startsWith('user:') ? inbox : log
    const isFull = this.#limit !== 'count' || messages.length === maxCount
    if (!isFull) this.#fail(`${text}, and has ${messages.length} of ${maxCount}`)
  }

  /** Checks that a gap is a message that is gone. After a power cut, a gap may be false. */
  #checkGap (key: AddressKey, { messages, gapUpTo }: Reading): void {
    if (gapUpTo === 0 || this.isChanged) return
    const message = this.#delivered.get(gapUpTo)
    const first = messages[0]?.[0] ?? Infinity
    const isGone = message?.key === key && message.isKept && gapUpTo < first && gapUpTo > this.#purgesOf(key).done
    if (this.#limit !== 'none' && isGone) return
    this.#fail(`${key} has a gap up to ${gapUpTo} (${message?.id}), and ${first}`)
  }

  /** The greatest purge of an address that the log may have. */
  #floorOf (key: AddressKey): Offset {
    const { done, begun } = this.#purgesOf(key)
    return Math.max(done, ...begun)
  }
}
