import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { checkpointName, readCheckpoint, type Checkpoint } from '../../engine/file/housekeeping/checkpoint.ts'
import { segmentName, type Predecessor, type SegmentHeader } from '../../engine/file/journal/format.ts'
import { scanSegment } from '../../engine/file/journal/scan.ts'
import { listLog, withFile, type LogListing } from './folder.ts'
import { checkSegment } from './segment-check.ts'

/** The result of a verification. */
export interface Verification {
  /** One line for each file, and one for the log. */
  readonly lines: readonly string[]
  readonly isDamaged: boolean
}

/** Attempts beside a running service, whose files change meanwhile. */
const ATTEMPTS = 4
const WAIT_MS = 200

/**
 * Checks every file of a log. Only reads, also beside a running service.
 *
 * @throws {Error} When the folder holds no log, or the log of another version.
 */
export async function verifyLog (folder: string, now: () => number): Promise<Verification> {
  for (let attempt = 1; ; attempt++) {
    const listing = listLog(folder)
    const verifier = new Verifier(listing, now())
    const result = verifier.run()
    if (!result.isDamaged || !verifier.isChanging || !listing.isOwned || attempt === ATTEMPTS) return result
    await wait(WAIT_MS)
  }
}

class Verifier {
  readonly #listing: LogListing
  readonly #now: number
  readonly #lines: string[] = []
  /** The first file of the log that began at an offset. */
  readonly #fileByOrigin = new Map<number, string>()
  #damagedFiles = 0
  #files = 0
  #records = 0
  #living = 0
  #bytes = 0
  /** Whether the damage may come from files that a service changed meanwhile. */
  isChanging = false

  constructor (listing: LogListing, now: number) {
    this.#listing = listing
    this.#now = now
  }

  run (): Verification {
    const { path, leftOver } = this.#listing
    const checkpoint = this.#checkCheckpoints()
    const segments = this.#checkSegments(checkpoint)
    this.#lines.unshift(...segments.reverse())
    this.#checkOffsets()
    this.#lines.push(...leftOver.map((name) => `${name}: half-written, removed at the next start`))
    const verdict = this.#damagedFiles === 0 ? 'intact' : `damaged: ${this.#damagedFiles} of the files`
    const sums = `${this.#files} files, ${this.#records} records, ${this.#living} living, ${this.#bytes} bytes`
    return { lines: [...this.#lines, `${path}: ${sums}; ${verdict}`], isDamaged: this.#damagedFiles > 0 }
  }

  /** Checks the checkpoints. Returns the one that a start would take. */
  #checkCheckpoints (): Checkpoint | null {
    const { path, checkpoints } = this.#listing
    let newest: Checkpoint | null = null
    for (const id of checkpoints) {
      const name = checkpointName(id)
      const result = withFile(path, name, (fd, size) => {
        const scan = scanSegment({ fd, size, id, expected: null }, () => {})
        return { size, scan, checkpoint: readCheckpoint(path, id) }
      })
      if (result === null) {
        this.isChanging = true
        continue
      }
      const { size, scan: { header, records, damages, tornBytes, doubtful }, checkpoint } = result
      newest = checkpoint ?? newest
      const faults = [
        ...(header === null ? ['the header is damaged'] : this.#checkOrigin(name, header)),
        ...damages.map(({ from, to }) => `bytes ${from} to ${to} are damaged`),
        ...(checkpoint?.isComplete === true && tornBytes === 0 && doubtful === null ? [] : ['it is incomplete'])
      ]
      this.#add(this.#lines, name, [`${records} records`, `${size} bytes`], faults, { records, size })
    }
    return newest
  }

  /** Checks the segments, the newest first: later purges decide which messages are alive. Returns their lines. */
  #checkSegments (checkpoint: Checkpoint | null): string[] {
    const { path, segments } = this.#listing
    const lines: string[] = []
    const purges = new Map<string, number>()
    const next = checkpoint?.next ?? 0
    const missing = new Set([...checkpoint?.segments.keys() ?? []].filter((id) => !segments.includes(id)))
    if (next > 0 && !segments.some((id) => id >= next)) missing.add(next)
    let successor: Predecessor | null = checkpoint?.predecessor ?? null
    for (const id of segments.toReversed()) {
      const known = checkpoint?.segments.get(id) ?? null
      const check = withFile(path, segmentName(id), (fd, size) => {
        const named = successor?.id === id ? successor : null
        const old = id < next ? { length: size, lastOffset: known?.note.lastOffset ?? 0 } : null
        const isDead = id < next && known === null && checkpoint?.isComplete === true
        const begun = id >= next && checkpoint?.isComplete === true ? checkpoint : null
        const file = { fd, size, id, expected: named ?? old, known, isDead, checkpoint: begun }
        return { size, ...checkSegment(file, purges, this.#now) }
      })
      if (check === null) {
        missing.add(id)
        continue
      }
      const { size, header, records, living, offsets, damages, tornBytes, isDoubtful } = check
      successor = header?.predecessor ?? null
      const isCovered = successor === null || id < next || successor.id < next || segments.includes(successor.id)
      if (successor !== null && !isCovered) missing.add(successor.id)
      if (isDoubtful) this.isChanging = true
      const facts = [
        ...(header?.sealed == null ? [] : ['sealed']),
        `${records} records`,
        `${living} living`,
        `${size} bytes`,
        offsets === null ? 'no messages' : `offsets ${offsets[0]} to ${offsets[1]}`,
        ...(tornBytes === 0
          ? []
          : [`the newest group is incomplete (${tornBytes} bytes): a service is writing it, or a crash has cut it off`])
      ]
      this.#living += living
      const faults = header === null ? damages : [...this.#checkOrigin(segmentName(id), header), ...damages]
      this.#add(lines, segmentName(id), facts, faults, { records, size })
    }
    for (const id of [...missing].sort((a, b) => a - b)) {
      this.isChanging = true
      this.#add(lines, segmentName(id), [], ['the file is missing'], { records: 0, size: 0 })
    }
    return lines
  }

  /** Returns a fault when a file is of another log than the first file that was checked. */
  #checkOrigin (name: string, { origin }: SegmentHeader): string[] {
    if (!this.#fileByOrigin.has(origin)) this.#fileByOrigin.set(origin, name)
    const [first] = this.#fileByOrigin
    return first === undefined || first[0] === origin ? [] : [`it is of another log than ${first[1]}`]
  }

  /** Checks the file with the reserved offsets, which has no checksum. */
  #checkOffsets (): void {
    const path = join(this.#listing.path, 'offsets')
    if (statSync(path, { throwIfNoEntry: false }) === undefined) {
      return this.#add(this.#lines, 'offsets', [], ['the file is missing'], { records: 0, size: 0 })
    }
    const content = readFileSync(path, 'latin1')
    const reserved = Math.max(...[...content.matchAll(/\d{16}\n/g)].map(([line]) => Number(line)))
    const faults = Number.isFinite(reserved) ? [] : ['it has no offset']
    this.#add(this.#lines, 'offsets', [`${content.length} bytes`, `up to ${reserved}`], faults, { records: 0, size: content.length })
  }

  #add (
    lines: string[], name: string, facts: readonly string[], faults: readonly string[],
    { records, size }: { readonly records: number, readonly size: number }
  ): void {
    this.#files++
    this.#records += records
    this.#bytes += size
    if (faults.length > 0) this.#damagedFiles++
    const damage = faults.length === 0 ? [] : [`DAMAGED: ${faults.join('; ')}`]
    lines.push(`${name}: ${[...facts, ...damage].join(', ')}`)
  }
}
