// Removes dist/ before a build, so that the package has no files of removed or renamed sources.
import { rmSync } from 'node:fs'

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true })
