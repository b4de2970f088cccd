import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml'
import type { Document, YAMLError } from 'yaml'
import { walk, type Finding, type Tree } from './walk.ts'

/**
 * The settings and faults of a file. The settings of a broken file (a syntax error, an unreadable file) are unknown.
 */
export interface FileContent {
  findings: Finding[]
  isBroken: boolean
}

/** Reads the text of a config.yml. Faults start with `file`, line and column. */
export function readYaml (text: string, file: string): FileContent {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
  const faults = syntaxFaults(document, text, file, lines)
  if (faults.length > 0) return { findings: faults.map((fault) => ({ fault })), isBroken: true }
  const findings = walk(treeOf(document, file, lines), { key: undefined, value: document.contents })
  return { findings, isBroken: false }
}

function syntaxFaults (document: Document.Parsed, text: string, file: string, lines: LineCounter): string[] {
  // One fault a line: the parser reports several errors for the same mistake.
  const faults = new Map<number, string>()
  const report = (offset: number, fault: string): void => {
    const { line, col } = lines.linePos(offset)
    if (!faults.has(line)) faults.set(line, `${file}:${line}:${col}: ${fault}`)
  }

  for (const error of [...document.errors, ...document.warnings]) report(error.pos[0], faultOf(error))
  visit(document, {
    Alias (_, alias) {
      if (alias.resolve(document)) return
      report(offsetOf(alias), 'no anchor of this name stands above; a text that begins with * needs quotes')
    },
    Scalar (_, scalar) {
      const [start, end] = scalar.range ?? [0, 0]
      const isMultiline = scalar.type === 'PLAIN' && text.slice(start, end).includes('\n')
      if (isMultiline) report(start, 'this text goes on in the next line; is a space missing after a colon there?')
    }
  })
  return [...faults.values()]
}

/** Faults for parser errors whose own message does not say how to correct the file. */
const faultByCode = new Map([
  ['MULTIPLE_DOCS', 'a second document begins here; keep one'],
  ['TAG_RESOLVE_FAILED', 'a text that begins with ! needs quotes'],
  ['BAD_DQ_ESCAPE', 'unknown escape after a backslash; use single quotes, or write the backslash twice'],
  ['BLOCK_AS_IMPLICIT_KEY', 'two keys in one line; a text that contains a colon and a space needs quotes']
])

/** Returns the message of a parser error up to the quoted source text, which could be a secret. */
function faultOf (error: YAMLError): string {
  const message = faultByCode.get(error.code) ?? error.message.replace(/(?<=\w): .*/s, '')
  return message.charAt(0).toLowerCase() + message.slice(1)
}

/** A key and its value; the root has no key. */
interface Entry {
  key: unknown
  value: unknown
}

function treeOf (document: Document.Parsed, file: string, lines: LineCounter): Tree<Entry> {
  const resolved = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node)
  const plain = (node: unknown): unknown => {
    const target = resolved(node)
    if (isScalar(target)) return target.value
    return isSeq(target) ? [] : isMap(target) ? {} : target
  }

  return {
    entries ({ value }) {
      const node = resolved(value)
      if (isMap(node)) return node.items.map((pair) => [String(plain(pair.key)), { key: pair.key, value: pair.value }])
      return plain(node) === null ? [] : undefined
    },
    value ({ value }) {
      const node = resolved(value)
      return isSeq(node) ? node.items.map(plain) : plain(node)
    },
    // The position of the value if key and value share a line, else of the key: a section is not reported at its first
    // child.
    location ({ key, value }, path) {
      const [keyPosition, valuePosition] = [lines.linePos(offsetOf(key ?? value)), lines.linePos(offsetOf(value))]
      const { line, col } = valuePosition.line === keyPosition.line ? valuePosition : keyPosition
      return `${file}:${line}:${col} ${path}`.trimEnd()
    }
  }
}

function offsetOf (node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0
}
