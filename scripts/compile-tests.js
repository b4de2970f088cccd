// Compiles the sources and the tests for `node scripts/test.js`. A test process starts in a third of the time that it needs
// when it compiles what it imports.

import { rmSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** The folder of the compiled files, in the root. The files lie as their sources do, so that they find the same packages. */
const FOLDER = '.compiled'
/** What is compiled. */
const SOURCES = ['*.ts', 'plugins/**/*.ts', 'routes/**/*.ts', 'services/**/*.ts', 'test/**/*.ts']

/** Compiles each file by itself, with a source map. Returns the compiled file of each test by the path of its source. */
export async function compileTests () {
  rmSync(resolve(ROOT, FOLDER), { recursive: true, force: true })
  const { metafile } = await build({
    absWorkingDir: ROOT, entryPoints: SOURCES.map((pattern) => resolve(ROOT, pattern)), outdir: FOLDER, outbase: ROOT,
    bundle: true, plugins: [separateFiles], sourcemap: true, sourcesContent: false, metafile: true,
    format: 'esm', platform: 'node', target: 'node20', logLevel: 'warning', tsconfig: resolve(ROOT, 'tsconfig.json')
  })
  const files = Object.entries(metafile.outputs).map(([file, { entryPoint }]) => [entryPoint, file])
  return new Map(files.filter(([source]) => source?.endsWith('.test.ts')))
}

/** Replaces the paths of compiled files in a text by those of their sources. */
export function sourcePaths (text) {
  return text.replaceAll(/\.compiled\/(test\/[\w./-]+)\.js/g, '$1.ts')
}

/** Leaves every import in place. An import of a file that is not compiled gets its path from the compiled file. */
const separateFiles = {
  name: 'separate-files',
  setup (builder) {
    builder.onResolve({ filter: /./ }, ({ kind, path, importer }) => {
      if (kind === 'entry-point') return undefined
      if (!path.startsWith('.')) return { path, external: true }
      if (path.endsWith('.ts')) return { path: path.replace(/\.ts$/, '.js'), external: true }
      const from = resolve(ROOT, FOLDER, relative(ROOT, dirname(importer)))
      return { path: relative(from, resolve(dirname(importer), path)).replaceAll(sep, '/'), external: true }
    })
  }
}
