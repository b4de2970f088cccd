import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { HubError } from '../../../model/errors.ts'
import type { Offset } from '../../../model/message.ts'
import { checkpointName } from '../housekeeping/checkpoint.ts'
import { decodeHeader, HEADER_BYTES, segmentName, type SegmentHeader } from '../journal/format.ts'

/**
 * Reads the headers of all segments of a log, by id; null for a damaged one. Blocks.
 *
 * @throws {Error} For the format of another version.
 * @throws {HubError} HUB_STORE_FAILED when the files are of different logs: each header has the offset at which its log
 *   began.
 */
export function readHeaders (
  folder: string, segments: readonly number[], checkpoints: readonly number[]
): Map<number, SegmentHeader | null> {
  const headers = new Map<number, SegmentHeader | null>()
  const fileByOrigin = new Map<Offset, string>()
  const read = (name: string): SegmentHeader | null => {
    const header = readHeader(join(folder, name))
    if (header !== null && !fileByOrigin.has(header.origin)) fileByOrigin.set(header.origin, name)
    return header
  }
  for (const id of segments) headers.set(id, read(segmentName(id)))
  for (const id of checkpoints) read(checkpointName(id))
  const [one, other] = fileByOrigin.values()
  if (other === undefined) return headers
  const sentence = `The folder ${folder} holds files of different logs (${one} and ${other}): ` +
    'move the files of the other log away, or choose another folder with engine.path.'
  throw new HubError('HUB_STORE_FAILED', sentence)
}

function readHeader (path: string): SegmentHeader | null {
  const fd = openSync(path, 'r')
  try {
    const { size } = fstatSync(fd)
    if (size < HEADER_BYTES) return null
    const bytes = Buffer.alloc(HEADER_BYTES)
    return readSync(fd, bytes, 0, HEADER_BYTES, 0) === HEADER_BYTES ? decodeHeader(bytes) : null
  } finally {
    closeSync(fd)
  }
}
