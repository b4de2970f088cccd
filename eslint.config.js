import tseslint from 'typescript-eslint'

/**
 * Who may import whom, by folder: everything that is not listed as allowed is an error. Paths are as written in the
 * import, so a rule reads like the line that it allows.
 */
const ANY_SERVICE = String.raw`(\.\./)+services/`
const IMPORTS = [
  { files: ['server.ts'], allowed: [String.raw`\./app\.ts$`, String.raw`\./services/`], says: 'server.ts starts app.ts' },
  { files: ['app.ts', 'fastify-hub.ts', 'doors.ts'], allowed: [String.raw`\./(fastify-hub|doors)\.ts$`, String.raw`\./(plugins|routes|services)/`], says: 'composition takes plugins, routes and services' },
  { files: ['index.ts'], allowed: [String.raw`\./fastify-hub\.ts$`, String.raw`\./(plugins|services)/`], says: 'index.ts exports the plugin, its types and services' },
  { files: ['plugins/**'], allowed: [ANY_SERVICE], says: 'a plugin takes services; reach another plugin through its decorator' },
  { files: ['routes/**'], allowed: [ANY_SERVICE, String.raw`\./(schemas|ws-door)\.ts$`], except: [String.raw`services/hub/`], says: 'a route takes services, and the hub only as fastify.hub' },
  { files: ['routes/compat/**'], allowed: [ANY_SERVICE, String.raw`\.\./(ws|ws-door)\.ts$`, String.raw`\./go-door\.ts$`], except: [String.raw`services/hub/`], says: 'a door takes services and the way in that it changes' },
  { files: ['services/*.ts'], allowed: [String.raw`\./[a-z-]+\.ts$`, String.raw`\./protocol/`, String.raw`\./config/schema\.ts$`], says: 'services know neither requests nor plugins' },
  { files: ['services/ws-service.ts', 'services/ws-connection.ts', 'services/sse-connection.ts', 'services/connecting.ts'], allowed: [String.raw`\./hub/`, String.raw`\./protocol/protocol\.ts$`, String.raw`\./(message|identity|clock|close-codes|errors|log)\.ts$`], says: 'connections work on the hub' },
  { files: ['services/hub/**'], allowed: [String.raw`\./`, String.raw`\.\./engine/engine\.ts$`, String.raw`\.\./protocol/protocol\.ts$`, String.raw`\.\./(message|identity|client-info|clock|close-codes|errors|log|rate-limit|rising-clock|time-limit|trim-oldest)\.ts$`], says: 'the hub knows the ports, not who stands behind them' },
  { files: ['services/engine/**'], allowed: [String.raw`\./`, String.raw`\.\./(message|client-info|errors|rising-clock|time-limit|trim-oldest|log)\.ts$`], says: 'an engine knows its port and messages' },
  { files: ['services/protocol/**'], allowed: [String.raw`\./`, String.raw`\.\./message\.ts$`], says: 'a protocol knows its port and messages' },
  { files: ['services/compat/**'], allowed: [String.raw`\./`, String.raw`\.\./protocol/`, String.raw`\.\./(message|errors|identity|token)\.ts$`], says: 'the words of older services know protocols and messages' },
  { files: ['services/cli/**'], allowed: [String.raw`\.\./(banner|command-line|identity|package|token)\.ts$`, String.raw`\.\./config/(load|schema|units)\.ts$`], says: 'the command line knows the configuration and tokens; the service is handed in' },
  { files: ['services/config/**'], allowed: [String.raw`\./`], says: 'the configuration knows nothing of the program' },
  { files: ['services/message.ts', 'services/token.ts', 'services/clock.ts', 'services/trim-oldest.ts', 'services/raw-answer.ts', 'services/errors.ts', 'services/close-codes.ts', 'services/identity.ts', 'services/client-info.ts', 'services/credentials.ts', 'services/rate-limit.ts', 'services/rising-clock.ts', 'services/time-limit.ts', 'services/log.ts'], allowed: [String.raw`\./(message|errors|identity)\.ts$`], says: 'the leaves know nothing of ours but each other' }
]

const importRules = IMPORTS.map(({ files, allowed, except = [], says }) => ({
  files,
  rules: {
    'no-restricted-imports': ['error', {
      patterns: [
        { regex: `^(?!${allowed.join('|')})\\.{1,2}/`, message: `Import rule: ${says}.` },
        ...except.map((regex) => ({ regex, message: `Import rule: ${says}.` }))
      ]
    }]
  }
}))

export default tseslint.config(
  { ignores: ['dist/**', 'bench/node_modules/**', 'node_modules/**', '.tap/**', 'coverage/**'] },
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      'max-lines': ['error', 250],
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
    // tap waits for its subtests by itself.
    rules: { '@typescript-eslint/no-floating-promises': 'off' }
  },
  ...importRules
)
