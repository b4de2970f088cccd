import { isSection, leaves, root, type Leaf, type Section } from './model.ts'
import { sectionLines, written, type Line } from './print.ts'

const commentColumn = 34

/** The text of config.yml: every key with its default and one comment. */
export function configFile (): string {
  const lines = sectionLines(root, (leaf) => written(leaf, leaf.schema.default)).map(commented)
  return `${fileHead}\n${lines.join('\n')}\n`
}

/** The text of docs/configuration.md. */
export function configurationPage (): string {
  const items = [...root.items.values()]
  const chapters = items.filter(isSection).map((section) => chapter(`\`${section.key}\``, section.description, rows(section.items)))
  const switches = leaves.filter((leaf) => leaf.path === leaf.key).map(row)
  return [pageHead, chapter('On the top level', 'What is served.', switches), ...chapters].join('\n')
}

function commented ({ code, item }: Line): string {
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
  const meaning = [schema.description, schema.note].filter(Boolean).join(' ')
  return `| \`${path}\` | ${variables} | ${shownDefault(schema.default)} | ${schema.allowed} | ${meaning.replaceAll('*', '\\*')} |`
}

function shownDefault (value: unknown): string {
  return value === '' || (Array.isArray(value) && value.length === 0) ? 'empty' : `\`${String(value)}\``
}

const fileHead = `# The configuration of fastify-hub: every key with its default.
#
# Change what you need and leave the rest out if you like: a key that is missing has the default
# shown here. Environment variables (HUB_SERVER_PORT=9000) and flags (--port 9000) win over this file.
# Durations: 500ms, 20s, 5m, 1h, 1d. Sizes: 512, 64KiB, 1MiB. More: docs/configuration.md.
#
# Developers: \`npm run docs\` writes this file from services/config/schema.ts.`

const pageHead = `<!-- Written by \`npm run docs\` from services/config/schema.ts: change it there. -->

# Configuration

The hub runs without any configuration: every key has a default that is safe on your own machine. To change one, name it
in \`config.yml\`, in the environment or on the command line. \`config.yml\` in this repository holds every key with its default and
a comment, ready to be edited.

## Who wins

From strongest to weakest:

1. **a flag** on the command line: \`--port 9000\` and \`--host 0.0.0.0\`; the other keys have no flag
2. **an environment variable**: \`HUB_SERVER_PORT=9000\`
3. **the file**: \`server: { port: 9000 }\` in the \`config.yml\` of the working directory, or in the file that \`--config FILE\` names
4. **the default** in the tables below

Each key is decided for itself: a file that sets only \`server.port\` leaves everything else as it is. \`--print-config\` prints what
is in force, in the form of \`config.yml\` and with secrets masked; \`--check-config\` only says whether it is valid.

## Mistakes are found at the start

Everything is checked before the hub listens. If something is wrong it does not start, and says all of it at once, with the place
where it stands:

\`\`\`
config.yml:3:9 server.port: must be a whole number from 0 to 65535, not "abc"
config.yml:4:9 server.hots: unknown key, did you mean "host"?
HUB_WEBSOCKET_PING_PERIOD: must be a duration such as 500ms, 20s or 5m, not "soon"
\`\`\`

A value is also checked when something stronger overrides it. An unknown \`HUB_…\` variable is only a warning, because it may belong to
another program. The value of a secret is never shown.

Two rules concern more than one key:

- \`auth.mode: demo\` is refused when \`NODE_ENV\` is \`production\`.
- \`websocket.maxQueueSize\` must be at least \`websocket.maxMessageSize\`.

## How values are written

| kind | written | notes |
|---|---|---|
| duration | \`500ms\`, \`20s\`, \`5m\`, \`1h\`, \`1d\` | a number without a unit means seconds |
| size | \`512\`, \`64KiB\`, \`1MiB\`, \`1GiB\` | a number without a unit means bytes; \`64KB\` is 64000, \`64KiB\` is 65536 |
| true or false | \`true\`, \`false\` | in variables and flags also \`1\` and \`0\` |
| text | \`app.example.com\` | in YAML, put quotes around what looks like a number or holds \`: \`, \`#\` or a leading \`!\`, \`*\`, \`@\` |
| list | \`[a, b]\` in YAML | in variables and flags with commas: \`a,b\` |

A section may be left empty (\`websocket:\` with nothing below it); a key may not: write a value or remove the key.

## Environment variables

The name of a variable is \`HUB_\` and the key in upper case, words parted by \`_\`: \`websocket.pingPeriod\` is
\`HUB_WEBSOCKET_PING_PERIOD\`. A variable that is empty counts as not set.

A secret can come from a file, as container platforms provide it: \`HUB_AUTH_SECRET_FILE=/run/secrets/hub\`. One newline at the
end of the file is dropped. Setting both variables is a mistake, and so is a file that cannot be read or is empty.

## From code

The plugin takes the same keys as an object, any part of them; it reads neither \`config.yml\` nor \`HUB_…\` variables.
In code, a number is **milliseconds** for a duration and bytes for a size; text is written as above.

\`\`\`ts
await app.register(fastifyHub, { websocket: { pingPeriod: '20s', maxMessageSize: '1MiB' } })
\`\`\`

## Keys
`
