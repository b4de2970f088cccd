// Generates config.yml and docs/configuration.md from services/config: `npm run docs`.
import { writeFileSync } from 'node:fs'
import { configFile, configurationPage } from '../services/config/document.ts'

writeFileSync(new URL('../config.yml', import.meta.url), configFile())
writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationPage())
