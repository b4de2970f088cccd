// Removes the declarations from dist/ that no importing program can reach: those that index.d.ts does not import,
// directly or through others.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const reached = new Set([join(dist, 'index.d.ts')])
// A Set also visits the entries that are added meanwhile.
for (const file of reached) {
  const imports = readFileSync(file, 'utf8').matchAll(/\b(?:from|import)[ (]*['"](\.[^'"]+)\.[jt]s['"]/g)
  for (const [, path] of imports) reached.add(join(dirname(file), `${path}.d.ts`))
}
for (const path of readdirSync(dist, { recursive: true })) {
  if (path.endsWith('.d.ts') && !reached.has(join(dist, path))) rmSync(join(dist, path))
}
