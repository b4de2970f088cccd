import { didYouMean } from '../faults.ts'
import { leaves } from '../model.ts'
import type { Finding } from './walk.ts'

/** Command-line flags by key: `{ 'server.port': '9000' }`. */
export type Flags = Readonly<Record<string, string | undefined>>

const shortFlags = new Map([['server.host', '--host'], ['server.port', '--port']])
const leafByPath = new Map(leaves.map((leaf) => [leaf.path, leaf]))

/** Reads flags by key. Faults show the flag as users type the flag: `--port`, `--websocket.pingPeriod`. */
export function readFlags (flags: Flags): Finding[] {
  return Object.entries(flags).flatMap(([path, raw]): Finding[] => {
    const leaf = leafByPath.get(path)
    const location = shortFlags.get(path) ?? `--${path}`
    if (raw === undefined) return []
    if (leaf) return [{ leaf, raw, location }]
    return [{ fault: `${location}: unknown flag${didYouMean(path, leafByPath.keys(), '--')}` }]
  })
}
