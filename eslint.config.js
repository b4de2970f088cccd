import tseslint from 'typescript-eslint'
import { importRules } from './scripts/import-rules.js'

const NAMES = ['model', 'lib', 'auth', 'protocol', 'engine', 'hub']
const [MODEL, LIB, AUTH, PROTOCOL, ENGINE, HUB] = NAMES.map((name) => `services/${name}`)
const ENGINE_PORTS = ['bus', 'lifetime', 'order', 'record', 'state', 'store'].map((name) => `${ENGINE}/${name}`)
const PORTS = [...['engine', 'bus', 'state', 'store'].map((name) => `${ENGINE}/${name}`), `${PROTOCOL}/protocol`]
const BASE = [MODEL, LIB]

/**
 * Who may import whom: each folder with what it may import beside itself. `!` takes a part of an allowed folder out, and
 * `type ` lets types of that part in. A folder without a line belongs to the folder around it.
 */
const IMPORTS = {
  'server.ts': ['app', 'services'],
  'index.ts': ['app', 'services'],
  'app.ts': ['plugins', 'routes', 'services'],
  plugins: ['services', '!plugins'],
  routes: ['services', `!${HUB}`],
  'routes/api': ['routes/hub-of', 'services', `!${HUB}`],
  'routes/live': ['services', `!${HUB}`, `type ${HUB}/node`],
  'routes/compat': ['routes/bodies', 'routes/hub-of', 'routes/live', 'services', `!${HUB}`],
  [LIB]: [],
  [MODEL]: [LIB],
  'services/config': [],
  'services/cli': ['services/config', AUTH, MODEL],
  'services/cli/log': [`${ENGINE}/file`],
  [AUTH]: BASE,
  [PROTOCOL]: [MODEL],
  [ENGINE]: [...BASE, ...['local', 'memory', 'file'].map((wing) => `!${ENGINE}/${wing}`)],
  [`${ENGINE}/local`]: [...BASE, ...ENGINE_PORTS],
  [`${ENGINE}/memory`]: [...BASE, ...ENGINE_PORTS, `${ENGINE}/engine`, `${ENGINE}/local`],
  [`${ENGINE}/file`]: [...BASE, ...ENGINE_PORTS, `${ENGINE}/engine`, `${ENGINE}/digest`, `${ENGINE}/local`],
  [`${ENGINE}/file/journal`]: BASE,
  [`${HUB}/outbox`]: BASE,
  [`${HUB}/clients`]: [...BASE, ...PORTS, `${HUB}/outbox`],
  [`${HUB}/delivery`]: [...BASE, ...PORTS, `${HUB}/outbox`, `${HUB}/clients`],
  [`${HUB}/store`]: [...BASE, ...PORTS, `${HUB}/outbox`, `${HUB}/clients`],
  [`${HUB}/publish`]: [...BASE, ...PORTS, `${HUB}/outbox`, `${HUB}/clients`, `${HUB}/delivery`, `${HUB}/store`],
  [`${HUB}/commands`]: [...BASE, ...PORTS, `${HUB}/outbox`, `${HUB}/clients`, `${HUB}/delivery`, `${HUB}/store`, `${HUB}/publish`],
  [HUB]: [...BASE, ...PORTS],
  'services/transport': [...BASE, `${AUTH}/credentials`, `${PROTOCOL}/protocol`, HUB],
  'services/compat': [...BASE, AUTH, PROTOCOL]
}

// The rules that need types are in .oxlintrc.json.
export default tseslint.config(
  { ignores: ['dist/**', 'bench/node_modules/**', 'node_modules/**', '.tap/**', '.compiled/**', '.cache/**', '.nodes/**', 'coverage/**'] },
  ...tseslint.configs.strict.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    rules: {
      'max-lines': ['error', 400],
      'no-console': 'error',
      'space-before-function-paren': ['error', 'always'],
      '@typescript-eslint/no-this-alias': 'off',
      '@typescript-eslint/unified-signatures': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }]
    }
  },
  // Generated from services/config/schema.ts.
  { files: ['services/config/input.ts'], rules: { 'max-lines': 'off' } },
  {
    files: ['*.ts', 'plugins/**', 'routes/**', 'services/**'],
    plugins: { house: { rules: { imports: importRules } } },
    rules: { 'house/imports': ['error', IMPORTS] }
  },
  {
    files: ['*.ts', 'plugins/**', 'routes/**', 'services/**'],
    rules: {
      'max-len': ['error', { code: 120, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true }]
    }
  }
)
