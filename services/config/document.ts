import { TypeGuard, type TSchema } from '@sinclair/typebox'
import { isSection, leaves, root, type Leaf, type Section } from './model.ts'
import { sectionLines, toFileValue, type Line } from './print.ts'

/** The column in config.yml where comments start. */
const commentColumn = 34

/** The longest line of a comment in services/config/input.ts, without the signs of the comment. */
const commentWidth = 116

/** Generates the text of config.yml: every key with its default and a comment. */
export function configFile (): string {
  const lines = sectionLines(root, (leaf) => toFileValue(leaf, leaf.schema.default)).map(withComment)
  return `${fileHead}\n${lines.join('\n')}\n`
}

/** Generates the text of docs/configuration.md: an introduction, then one table for each section. */
export function configurationPage (): string {
  const items = [...root.items.values()]
  const chapters = items.filter(isSection).map((section) => {
    return chapter(`\`${section.key}\``, section.description, rows(section.items))
  })
  const topLevelRows = leaves.filter((leaf) => leaf.path === leaf.key).map(row)
  const topLevel = chapter('Top level', 'Parts of the service that can be switched off.', topLevelRows)
  return [pageHead, topLevel, ...chapters].join('\n')
}

/** Generates the text of services/config/input.ts: the type of the options in code, with a comment for each key. */
export function inputTypes (): string {
  return `${typesHead}export interface ConfigInput {\n${properties(root.items, '  ')}\n}\n`
}

function properties (items: Section['items'], indent: string): string {
  return [...items.values()].map((item) => {
    if (isSection(item)) {
      const body = properties(item.items, `${indent}  `)
      return `${docComment([item.description], indent)}${indent}${item.key}?: {\n${body}\n${indent}} | undefined`
    }
    const { schema } = item
    const value = schema.kind === 'boolean' || schema.kind === 'choice' ? '' : `Value: ${String(schema.allowed)}.`
    const sentences = [schema.description, schema.note, value].filter(Boolean).join(' ')
    const comment = docComment([sentences, `@default ${typedDefault(schema.default)}`], indent)
    return `${comment}${indent}${item.key}?: ${typeOf(schema)} | undefined`
  }).join('\n')
}

/** A comment of several lines. A longer paragraph continues on the next line. */
function docComment (paragraphs: string[], indent: string): string {
  const lines = paragraphs.flatMap((paragraph) => wrap(paragraph, commentWidth - indent.length))
  const [line = ''] = lines
  if (lines.length === 1) return `${indent}/** ${line} */\n`
  return `${indent}/**\n${lines.map((text) => `${indent} * ${text}`.trimEnd()).join('\n')}\n${indent} */\n`
}

function wrap (text: string, width: number): string[] {
  return text.split(' ').reduce<string[]>((lines, word) => {
    const last = lines.at(-1)
    if (last === undefined || last.length + word.length + 1 > width) return [...lines, word]
    return [...lines.slice(0, -1), `${last} ${word}`]
  }, [])
}

function typeOf (schema: TSchema): string {
  if (schema.kind === 'duration' || schema.kind === 'size') return 'number | string'
  if (TypeGuard.IsUnion(schema)) return schema.anyOf.map(typeOf).join(' | ')
  if (TypeGuard.IsLiteral(schema)) return `'${schema.const}'`
  if (TypeGuard.IsArray(schema)) return `${typeOf(schema.items)}[]`
  if (TypeGuard.IsBoolean(schema)) return 'boolean'
  return TypeGuard.IsString(schema) ? 'string' : 'number'
}

function typedDefault (value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value)
}

function withComment ({ code, item }: Line): string {
  const gap = item.path === item.key ? '\n' : ''
  if (!isSection(item)) return `${gap}${`${code} `.padEnd(commentColumn)}# ${item.schema.description}`
  const indent = /^ */.exec(code)?.[0] ?? ''
  return `\n${indent}# ${item.description}\n${code}`
}

function chapter (title: string, description: string, lines: string[]): string {
  const table = ['| key | environment | default | allowed | meaning |', '|---|---|---|---|---|', ...lines]
  return `### ${title}\n\n${description}\n\n${table.join('\n')}\n`
}

function rows (items: Section['items']): string[] {
  return [...items.values()].flatMap((item) => (isSection(item) ? rows(item.items) : [row(item)]))
}

function row ({ path, variable, secret, schema }: Leaf): string {
  const variables = secret ? `\`${variable}\` or \`${variable}_FILE\`` : `\`${variable}\``
  const meaning = [schema.description, schema.note].filter(Boolean).join(' ').replaceAll('*', '\\*')
  return `| \`${path}\` | ${variables} | ${formatDefault(schema.default)} | ${schema.allowed} | ${meaning} |`
}

function formatDefault (value: unknown): string {
  return value === '' || (Array.isArray(value) && value.length === 0) ? 'empty' : `\`${String(value)}\``
}

const fileHead = `# The configuration of fastify-hub: every key with its default.
#
# Change the keys that you need. You may remove the others: a missing key has the default shown here.
# Environment variables (HUB_SERVER_PORT=9000) and flags (--port 9000) win over this file.
# Durations: 500ms, 20s, 5m, 1h, 1d. Sizes: 512, 64KiB, 1MiB. More: docs/configuration.md.
#
# Developers: \`npm run docs\` generates this file from services/config/schema.ts.`

const typesHead = `// Generated by \`npm run docs\` from services/config/schema.ts: change it there.

/**
 * Configuration in code: any part of Config. Durations are milliseconds or text such as \`20s\`; sizes are bytes or text
 * such as \`1MiB\`.
 */
`

const pageHead = `<!-- Generated by \`npm run docs\` from services/config: change it there. -->

# Configuration

The hub runs without any configuration: every key has a default that is safe on your own machine. To change a key, set
it in \`config.yml\`, in the environment or on the command line. \`config.yml\` in this repository has every key with its
default and a comment, ready to be edited.

## Precedence

From strongest to weakest:

1. **a flag** on the command line: \`--port 9000\` and \`--host 0.0.0.0\`; the other keys have no flag
2. **an environment variable**: \`HUB_SERVER_PORT=9000\`
3. **the file**: \`server: { port: 9000 }\` in the \`config.yml\` of the working directory, or in the file that
   \`--config FILE\` names
4. **the default** in the tables below

Precedence applies to each key: a file that sets only \`server.port\` leaves all other keys as they are. \`--print-config\`
prints the configuration in force, in the form of \`config.yml\` and with secrets masked; \`--check-config\` only checks
whether it is valid.

## Validation at the start

The hub checks the whole configuration before it listens. If there is a mistake, it does not start, and reports all
mistakes at once, each with its location:

\`\`\`
config.yml:3:9 server.port: must be a whole number from 0 to 65535, not "abc"
config.yml:4:9 server.hots: unknown key, did you mean "host"?
HUB_WEBSOCKET_PING_PERIOD: must be a duration such as 500ms, 20s or 5m, not "soon"
\`\`\`

A value is also checked when a stronger source overrides it. An unknown \`HUB_…\` variable is only a warning, because it
may belong to another program. The value of a secret is never shown.

Rules that concern more than one key:

- \`auth.mode: demo\` is refused when \`NODE_ENV\` is \`production\`, and so is a service without \`auth.secret\`.
- \`websocket.maxQueueSize\` must be at least \`websocket.maxMessageSize\`.
- \`websocket.flushInterval\` must be at most half of \`websocket.pingPeriod\` and of \`websocket.writeDeadline\`.
- \`websocket.path\` and \`sse.path\` must be different, and not the path of a route that \`api\` or \`compat\` switches on.

## Values

| kind | written | notes |
|---|---|---|
| duration | \`500ms\`, \`20s\`, \`5m\`, \`1h\`, \`1d\` | a number without a unit means seconds |
| size | \`512\`, \`64KiB\`, \`1MiB\`, \`1GiB\` | a number without a unit means bytes; \`64KB\` is 64000, \`64KiB\` is 65536 |
| true or false | \`true\`, \`false\` | in variables and flags also \`1\` and \`0\` |
| text | \`app.example.com\` | in YAML, quote text that looks like a number, contains \`: \` or \`#\`, or starts with \`!\`, \`*\` or \`@\` |
| list | \`[a, b]\` in YAML | in variables and flags with commas: \`a,b\` |

A value is taken as it stands: \`\${NAME}\` is a mistake, because no variable is put in its place. Set the variable of the key
instead, such as \`HUB_AUTH_SECRET\`.

A section may be empty (\`websocket:\` without keys below it); a key may not: write a value or remove the key.

## Environment variables

The name of a variable is \`HUB_\` and the key in upper case, words separated by \`_\`: \`websocket.pingPeriod\` is
\`HUB_WEBSOCKET_PING_PERIOD\`. An empty variable counts as not set.

A secret can come from a file, as container platforms provide it: \`HUB_AUTH_SECRET_FILE=/run/secrets/hub\`. One newline
at the end of the file is dropped. Setting both variables is a mistake, and so is a file that is empty or cannot be
read.

## Options in code

The plugin accepts the same keys as an object, any part of them; it reads neither \`config.yml\` nor \`HUB_…\` variables.
In code, a number is **milliseconds** for a duration and bytes for a size; text has the notation above.

\`\`\`ts
await app.register(fastifyHub, { websocket: { pingPeriod: '20s', maxMessageSize: '1MiB' } })
\`\`\`

## Keys
`
