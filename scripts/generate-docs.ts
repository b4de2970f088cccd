// Generates config.yml, docs/configuration.md and services/config/input.ts from services/config: `npm run docs`.
import { writeFileSync } from 'node:fs'
import { configFile, configurationPage, inputTypes } from '../services/config/document.ts'

writeFileSync(new URL('../config.yml', import.meta.url), configFile())
writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationPage())
writeFileSync(new URL('../services/config/input.ts', import.meta.url), inputTypes())
