import type { Test } from 'tap'
import type { Engine } from '../../../../services/engine/engine.ts'
import { openFileEngine, type FilePlace } from '../../../../services/engine/file/engine.ts'
import type { Retention } from '../../../../services/engine/local/retention.ts'
import { addressKey, type Address, type Offset } from '../../../../services/model/message.ts'
import { AMPLE_RETENTION, LogRecorder } from '../../../engine-suite/kit.ts'

/** Opens an engine on a folder. The end of the test closes an engine that is still open. */
export async function openEngine (
  t: Test, path: string, retention: Partial<Retention> = {}, place: Partial<FilePlace> = {}
): Promise<Engine> {
  const log = new LogRecorder()
  const engine = await openFileEngine({ ...AMPLE_RETENTION, ...retention }, { path, log, ...place })
  t.teardown(() => engine.close())
  return engine
}

/** All pages of one reader. */
export interface Reading {
  readonly messages: Map<Offset, string>
  readonly gapUpTo: Offset
  readonly problems: readonly string[]
}

/** Reads all pages of an address. */
export async function readPages (engine: Engine, address: Address, after: Offset): Promise<Reading> {
  const messages = new Map<Offset, string>()
  const problems: string[] = []
  let [gap, last] = [0, after]
  for (let from = after, isEnd = false; !isEnd;) {
    const page = await engine.read([{ address, after: from }], { messages: 10, bytes: 4000 })
    for (const { offset, address: found, payload } of page.messages) {
      if (offset <= last || offset > page.upTo) problems.push(`out of order: ${offset} behind ${last}`)
      if (addressKey(found) !== addressKey(address)) problems.push(`foreign: ${offset}`)
      messages.set(offset, String(payload.data))
      last = offset
    }
    gap = Math.max(gap, page.gapUpTo)
    isEnd = page.messages.length === 0
    from = page.upTo
  }
  return { messages, gapUpTo: gap, problems }
}
