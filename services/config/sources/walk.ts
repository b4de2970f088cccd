import { didYouMean } from '../faults.ts'
import { isSection, root, type Leaf, type Section } from '../model.ts'

/** A raw value of a key, and the location of the value, with which a fault about the value starts. */
export interface Setting {
  leaf: Leaf
  raw: unknown
  location: string
}

/** The result of a reader, in the order of the source: settings, and faults about everything else. */
export type Finding = Setting | { fault: string }

/** Access to the nodes of a tree, such as a YAML document. */
export interface Tree<Node> {
  /** Returns the keys below a node; an empty list for null, undefined when the node is not a map. */
  entries(node: Node): Iterable<readonly [key: string, child: Node]> | undefined
  /** Returns the raw value of a node; undefined when the key counts as not set. */
  value(node: Node, leaf: Leaf): unknown
  /** Returns the location of a node, for faults. */
  location(node: Node, path: string): string
}

/**
 * Collects the settings of a tree, and the faults of its structure: unknown keys, double keys, values in place of
 * sections.
 */
export function walk<Node> (tree: Tree<Node>, start: Node): Finding[] {
  return walkSection(tree, start, root)
}

function walkSection<Node> (tree: Tree<Node>, node: Node, section: Section): Finding[] {
  const entries = tree.entries(node)
  // The fault does not show the value: `secret:abc`, without the space after the colon, is a text here.
  if (entries === undefined) {
    return [{ fault: `${tree.location(node, section.path)}: must be a section with keys below it` }]
  }

  const seen = new Set<string>()
  return [...entries].flatMap(([key, child]) => {
    const name = printable(key)
    const location = tree.location(child, section.path === '' ? name : `${section.path}.${name}`)
    if (seen.has(key)) return [{ fault: `${location}: stands here twice, keep one` }]
    seen.add(key)

    const item = section.items.get(key)
    if (item === undefined) return [{ fault: `${location}: unknown key${didYouMean(name, section.items.keys())}` }]
    return isSection(item) ? walkSection(tree, child, item) : walkLeaf(tree, child, item, location)
  })
}

function walkLeaf<Node> (tree: Tree<Node>, node: Node, leaf: Leaf, location: string): Finding[] {
  const raw = tree.value(node, leaf)
  if (raw === undefined) return []
  if (raw === null) return [{ fault: `${location}: has no value; write one, or remove the key to get its default` }]
  return [{ leaf, raw, location }]
}

/** Cuts a key after its leading word characters: the rest could be a value, even a secret, after a mistyped colon. */
function printable (key: string): string {
  const name = /^[\w$<-]{0,40}/.exec(key)?.[0] ?? ''
  return name === key ? name : `${name}…`
}
