import { didYouMean } from '../faults.ts'
import { leaves } from '../model.ts'
import type { Finding } from './walk.ts'

/** Command line flags by key: `{ 'server.port': '9000' }`. */
export type Flags = Readonly<Record<string, string | undefined>>

const short = new Map([['server.host', '--host'], ['server.port', '--port']])
const byPath = new Map(leaves.map((leaf) => [leaf.path, leaf]))

/** Reads flags that are named by their key; faults name them as they are typed: `--port`, `--websocket.pingPeriod`. */
export function readFlags (flags: Flags): Finding[] {
  return Object.entries(flags).flatMap(([path, raw]): Finding[] => {
    const leaf = byPath.get(path)
    const place = short.get(path) ?? `--${path}`
    if (raw === undefined) return []
    return leaf ? [{ leaf, raw, place }] : [{ fault: `${place}: unknown flag${didYouMean(path, byPath.keys(), '--')}` }]
  })
}
