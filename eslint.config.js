import tseslint from 'typescript-eslint'
import { importRules } from './scripts/import-rules.js'

const NAMES = ['model', 'lib', 'auth', 'protocol', 'engine', 'hub']
const [MODEL, LIB, AUTH, PROTOCOL, ENGINE, HUB] = NAMES.map((name) => `services/${name}`)
const PORTS = [`${ENGINE}/engine`, `${PROTOCOL}/protocol`]
const BASE = [MODEL, LIB]

/**
 * Who may import whom: each folder with what it may import beside itself. `!` takes a part of an allowed folder out.
 * A folder without a line belongs to the folder around it.
 */
const IMPORTS = {
  'server.ts': ['app', 'services'],
  'index.ts': ['app', 'services'],
  'app.ts': ['plugins', 'routes', 'services'],
  plugins: ['services', '!plugins'],
  routes: ['services', `!${HUB}`],
  'routes/api': ['routes/decorators', 'services', `!${HUB}`],
  'routes/live': ['routes/decorators', 'services', `!${HUB}`],
  'routes/compat': ['routes/decorators', 'routes/live', 'services', `!${HUB}`],
  [LIB]: [],
  [MODEL]: [LIB],
  'services/config': [],
  'services/cli': ['services/config', AUTH, MODEL],
  [AUTH]: BASE,
  [PROTOCOL]: [MODEL],
  [ENGINE]: [...BASE, ...['local', 'memory', 'lmdb'].map((wing) => `!${ENGINE}/${wing}`)],
  [`${ENGINE}/local`]: [...BASE, `${ENGINE}/engine`],
  [`${ENGINE}/memory`]: [...BASE, `${ENGINE}/engine`, `${ENGINE}/local`],
  [`${ENGINE}/lmdb`]: [...BASE, `${ENGINE}/engine`, `${ENGINE}/local`],
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

export default tseslint.config(
  { ignores: ['dist/**', 'bench/node_modules/**', 'node_modules/**', '.tap/**', '.compiled/**', 'coverage/**'] },
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    // One program for the whole run: half as long as a service that looks for the project of each file.
    languageOptions: { parserOptions: { project: './tsconfig.json' } },
    rules: {
      'max-lines': ['error', 400],
      'no-console': 'error',
      'space-before-function-paren': ['error', 'always'],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-this-alias': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unified-signatures': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }]
    }
  },
  {
    files: ['test/**'],
    rules: {
      // tap waits for its subtests by itself.
      '@typescript-eslint/no-floating-promises': 'off',
      // A test that reads the wrong field fails. These rules take a quarter of the time of the linter.
      ...Object.fromEntries(['assignment', 'argument', 'call', 'enum-assignment', 'member-access', 'return'].map((what) => [`@typescript-eslint/no-unsafe-${what}`, 'off']))
    }
  },
  {
    files: ['*.ts', 'plugins/**', 'routes/**', 'services/**'],
    plugins: { house: { rules: { imports: importRules } } },
    rules: { 'house/imports': ['error', IMPORTS] }
  },
  {
    files: ['*.ts', 'plugins/**', 'routes/**', 'services/**'],
    // Another engine replaces this wing.
    ignores: ['services/engine/lmdb/**'],
    rules: {
      'max-len': ['error', { code: 120, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true }]
    }
  }
)
