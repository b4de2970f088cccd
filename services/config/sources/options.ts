import { walk, type Finding, type Tree } from './walk.ts'

/** Reads options that are given from code; faults name them `options.websocket.pingPeriod`. */
export function readOptions (input: unknown): Finding[] {
  return walk(tree, input)
}

const tree: Tree<unknown> = {
  entries (node) {
    if (node === undefined || node === null) return []
    return typeof node === 'object' && !Array.isArray(node) ? Object.entries(node) : undefined
  },
  // In code a number is what it is in Config: milliseconds, where config.yml has seconds.
  value (node, { schema }) {
    return schema.kind === 'duration' && typeof node === 'number' ? `${node}ms` : node
  },
  place (_, path) {
    return path === '' ? 'options' : `options.${path}`
  }
}
