// An ESLint rule for the product's own imports: a folder imports only from the folders that the configuration allows, and
// no file imports itself through other files. Type imports count.
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import ts from 'typescript'

const { name: PACKAGE_NAME } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

/** Files that each file imports by a relative path. Each file is read once per run. */
const importsByFile = new Map()

/** Tells whether a path is in a folder, or is the named file itself. */
const isIn = (path, folder) => path === folder || path.startsWith(`${folder}/`)

function importsOf (file) {
  const known = importsByFile.get(file)
  if (known !== undefined) return known
  const found = existsSync(file)
    ? ts.preProcessFile(readFileSync(file, 'utf8'), true, true).importedFiles
      .map(({ fileName }) => fileName)
      .filter((name) => name.startsWith('.'))
      .map((name) => resolve(dirname(file), name))
    : []
  importsByFile.set(file, found)
  return found
}

/** Returns the shortest chain of imports from one file to another, both included; undefined when no chain exists. */
function chain (from, to) {
  const cameFrom = new Map([[from, null]])
  for (const file of cameFrom.keys()) {
    if (file === to) {
      const path = []
      for (let at = file; at !== null; at = cameFrom.get(at)) path.unshift(at)
      return path
    }
    for (const next of importsOf(file)) if (!cameFrom.has(next)) cameFrom.set(next, file)
  }
  return undefined
}

export const importRules = {
  meta: {
    type: 'problem',
    schema: [{ type: 'object' }],
    messages: {
      unlisted: 'This file has no line in the table of imports in eslint.config.js: add its folder.',
      unreadable: 'Import by a relative path in quotes, so that the import rules can check the import.',
      forbidden: '{{folder}} may import from {{allowed}} only, not from {{target}}.',
      circle: 'This import closes a circle: {{path}}.'
    }
  },
  create (context) {
    const root = realpathSync(context.cwd)
    const pathOf = (file) => relative(root, file).split(sep).join('/')
    const file = resolve(root, context.filename)
    const [folders] = context.options
    // The innermost folder with a line in the configuration.
    const folder = Object.keys(folders).filter((one) => isIn(pathOf(file), one)).sort((a, b) => b.length - a.length)[0]
    if (folder === undefined) return { Program: (node) => { context.report({ node, messageId: 'unlisted' }) } }
    const entriesWith = (prefix) => folders[folder].filter((one) => one.startsWith(prefix)).map((one) => one.slice(prefix.length))
    const forbidden = entriesWith('!')
    const types = entriesWith('type ')
    const allowed = [folder, ...folders[folder].filter((one) => !/^!|^type /.test(one))]

    const check = (node, source = node.source) => {
      if (source === null || source === undefined) return
      const name = source.value
      // A computed name, an absolute path and the name of this package would evade the table.
      if (typeof name !== 'string' || name.startsWith('/') || name.startsWith('file:') || isIn(name, PACKAGE_NAME)) {
        return context.report({ node, messageId: 'unreadable' })
      }
      if (!name.startsWith('.')) return
      const target = resolve(dirname(file), name)
      const path = pathOf(target)
      const isAllowed = allowed.some((one) => isIn(path, one) || isIn(path, `${one}.ts`))
      const isType = node.importKind === 'type' || node.exportKind === 'type' || node.type === 'TSImportType'
      const isAllowedType = isType && types.some((one) => isIn(path, `${one}.ts`))
      const isForbidden = !isAllowedType && forbidden.some((one) => isIn(path, one))
      if (!isAllowed || isForbidden) {
        const list = folders[folder].join(', ') || 'packages'
        context.report({ node, messageId: 'forbidden', data: { folder, target: path, allowed: list } })
      }
      const circle = chain(target, file)
      if (circle === undefined) return
      context.report({ node, messageId: 'circle', data: { path: [file, ...circle].map(pathOf).join(' → ') } })
    }
    return {
      ImportDeclaration: (node) => check(node),
      ExportNamedDeclaration: (node) => check(node),
      ExportAllDeclaration: (node) => check(node),
      ImportExpression: (node) => check(node),
      TSImportType: (node) => check(node, node.source ?? node.argument?.literal)
    }
  }
}
