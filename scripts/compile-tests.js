// Compiles the sources and the tests for `node scripts/test.js`. A test process that compiles its own imports takes three
// times as long to start.

import { dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** The folder of the compiled files: a folder of the root, arranged like the root, so that imports find the same packages. */
const FOLDER = '.compiled'
const SOURCES = ['*.ts', 'plugins/**/*.ts', 'routes/**/*.ts', 'services/**/*.ts', 'test/**/*.ts']

/**
 * Compiles each file by itself, with a source map. Returns the compiled file of each test by the path of its source. Old
 * files stay in the folder, because another run may be using them.
 */
export async function compileTests () {
  const { metafile } = await build({
    absWorkingDir: ROOT, entryPoints: SOURCES.map((pattern) => resolve(ROOT, pattern)), outdir: FOLDER, outbase: ROOT,
    bundle: true, plugins: [separateFiles], sourcemap: true, sourcesContent: false, metafile: true,
    format: 'esm', platform: 'node', target: 'node20', logLevel: 'warning', tsconfig: resolve(ROOT, 'tsconfig.json')
  })
  const files = Object.entries(metafile.outputs).map(([file, { entryPoint }]) => [entryPoint, file])
  return new Map(files.filter(([source]) => source?.endsWith('.test.ts')))
}

/** Replaces the paths of compiled tests in a text by the paths of their sources. */
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
