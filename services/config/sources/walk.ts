import { didYouMean } from '../faults.ts'
import { isSection, root, type Leaf, type Section } from '../model.ts'

/** A value as somebody wrote it, and where: the start of any fault about it. */
export interface Setting {
  leaf: Leaf
  raw: unknown
  place: string
}

/** What a reader finds, in the order in which it was written: a setting, or a sentence about something that is none. */
export type Finding = Setting | { fault: string }

/** What the walk must know of a tree: the keys below a node, its value, and how a fault names its place. */
export interface Tree<Node> {
  /** Undefined when the node is not a map; nothing at all is an empty map. */
  entries(node: Node): Iterable<readonly [key: string, child: Node]> | undefined
  /** Undefined when the key counts as not written. */
  value(node: Node, leaf: Leaf): unknown
  place(node: Node, path: string): string
}

/** Collects the settings of a tree, and the faults of its shape: unknown keys, double keys, values in the place of sections. */
export function walk<Node> (tree: Tree<Node>, start: Node): Finding[] {
  return walkSection(tree, start, root)
}

function walkSection<Node> (tree: Tree<Node>, node: Node, section: Section): Finding[] {
  const entries = tree.entries(node)
  // What stands here instead is not shown: `secret:abc` without its space arrives here as text.
  if (entries === undefined) return [{ fault: `${tree.place(node, section.path)}: must be a section with keys below it` }]

  const seen = new Set<string>()
  return [...entries].flatMap(([key, child]) => {
    const name = printable(key)
    const place = tree.place(child, section.path === '' ? name : `${section.path}.${name}`)
    if (seen.has(key)) return [{ fault: `${place}: stands here twice, keep one` }]
    seen.add(key)

    const item = section.items.get(key)
    if (item === undefined) return [{ fault: `${place}: unknown key${didYouMean(name, section.items.keys())}` }]
    return isSection(item) ? walkSection(tree, child, item) : walkLeaf(tree, child, item, place)
  })
}

function walkLeaf<Node> (tree: Tree<Node>, node: Node, leaf: Leaf, place: string): Finding[] {
  const raw = tree.value(node, leaf)
  if (raw === undefined) return []
  return raw === null ? [{ fault: `${place}: has no value; write one, or remove the key to get its default` }] : [{ leaf, raw, place }]
}

/** A key as far as it looks like one: what follows may be a value whose colon was mistyped, even a secret. */
function printable (key: string): string {
  const name = /^[\w$<-]{0,40}/.exec(key)?.[0] ?? ''
  return name === key ? name : `${name}…`
}
