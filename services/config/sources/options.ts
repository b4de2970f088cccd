import { walk, type Finding, type Tree } from './walk.ts'

/** Reads the options of the plugin. Faults show the path in the options: `options.websocket.pingPeriod`. */
export function readOptions (input: unknown): Finding[] {
  return walk(tree, input)
}

const tree: Tree<unknown> = {
  entries (node) {
    if (node === undefined || node === null) return []
    return typeof node === 'object' && !Array.isArray(node) ? Object.entries(node) : undefined
  },
  // A number in code is milliseconds, as in Config; a number in config.yml is seconds.
  value (node, { schema }) {
    return schema.kind === 'duration' && typeof node === 'number' ? `${node}ms` : node
  },
  location (_, path) {
    return path === '' ? 'options' : `options.${path}`
  }
}
