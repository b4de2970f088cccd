import { ESLint } from 'eslint'
import t from 'tap'
import { packagePath } from '../../services/cli/package.ts'

const eslint = new ESLint({
  cwd: packagePath(),
  ruleFilter: ({ ruleId }) => ruleId === 'house/imports'
})

/** Returns the messages of ESLint about one import in a file. */
async function refusals (file: string, source: string, kind = 'import'): Promise<string[]> {
  const results = await eslint.lintText(`${kind} ${JSON.stringify(source)}\n`, { filePath: packagePath(file) })
  return results.flatMap(({ messages }) => messages.map(({ message }) => message))
}

t.test('a folder imports only from the folders that it may import', async (t) => {
  const cases: Array<[file: string, forbidden: string[], allowed: string[]]> = [
    ['server.ts', ['./routes/live/ws.ts', './plugins/hub.ts'], ['./app.ts', './services/cli/main.ts']],
    ['app.ts', ['./server.ts', './index.ts'], ['./plugins/errors.ts', './routes/health.ts', './services/auth/token.ts']],
    ['index.ts', ['./routes/live/ws.ts', './plugins/auth.ts', './server.ts'], ['./app.ts', './services/model/errors.ts']],
    ['plugins/hub.ts', ['../routes/live/ws.ts', '../app.ts', './engine.ts'], ['../services/hub/hub.ts', 'fastify']],
    ['routes/api/clients.ts', ['../../services/hub/hub.ts', '../../plugins/hub.ts', '../live/ws.ts'], ['../../services/model/errors.ts', './schemas.ts']],
    ['routes/live/ws.ts', ['../../services/hub/hub.ts', '../../plugins/auth.ts', '../compat/index.ts'], ['./ws-endpoint.ts', '../../services/transport/ws-service.ts']],
    ['routes/compat/gin-server.ts', ['../../services/hub/hub.ts', '../../plugins/auth.ts'], ['../../services/compat/gin-server.ts', '../live/ws-endpoint.ts']],
    ['services/model/message.ts', ['../hub/hub.ts', '../engine/engine.ts', '../transport/ws-service.ts'], ['./errors.ts', '../lib/clock.ts']],
    ['services/lib/clock.ts', ['../model/errors.ts', '../hub/hub.ts'], ['./log.ts']],
    ['services/auth/token.ts', ['../hub/hub.ts', '../protocol/raw.ts'], ['../model/errors.ts', '../lib/clock.ts']],
    ['services/protocol/raw.ts', ['../engine/engine.ts', '../hub/clients/client.ts', '../auth/token.ts', '../compat/go-json.ts'], ['./protocol.ts', '../model/message.ts']],
    ['services/engine/engine.ts', ['./memory/engine.ts', '../hub/hub.ts'], ['../model/message.ts']],
    ['services/engine/memory/engine.ts', ['../file/engine.ts', '../../hub/hub.ts', '../../protocol/raw.ts'], ['../local/text.ts', '../engine.ts', '../../model/message.ts']],
    ['services/hub/outbox/outbox.ts', ['../clients/client.ts', '../../engine/engine.ts'], ['./batch.ts', '../../lib/log.ts']],
    ['services/hub/clients/registry.ts', ['../store/sessions.ts', '../delivery/fan-out.ts'], ['../outbox/outbox.ts', '../../engine/engine.ts']],
    ['services/hub/delivery/fan-out.ts', ['../store/sessions.ts', '../publish/publisher.ts'], ['../clients/registry.ts']],
    ['services/hub/store/sessions.ts', ['../delivery/fan-out.ts', '../publish/publisher.ts', '../node.ts'], ['../clients/client.ts']],
    ['services/hub/publish/publisher.ts', ['../commands/commands.ts', '../node.ts'], ['../store/keys.ts', '../../engine/engine.ts']],
    ['services/hub/commands/commands.ts', ['../node.ts', '../hub.ts'], ['../publish/publisher.ts', '../../protocol/protocol.ts']],
    ['services/hub/hub.ts', ['../transport/ws-service.ts', '../engine/memory/engine.ts', '../protocol/raw.ts', '../auth/token.ts'], ['../engine/engine.ts', '../protocol/protocol.ts', './node.ts']],
    ['services/transport/ws-service.ts', ['../engine/engine.ts', '../protocol/raw.ts', '../auth/token.ts'], ['../hub/hub.ts', '../protocol/protocol.ts', '../auth/credentials.ts']],
    ['services/compat/gin-server.ts', ['../hub/hub.ts', '../engine/engine.ts', '../transport/ws-service.ts'], ['../protocol/frame.ts', '../model/message.ts', '../auth/token.ts']],
    ['services/config/load.ts', ['../model/errors.ts', '../../app.ts'], ['./schema.ts']],
    ['services/cli/main.ts', ['../../app.ts', '../hub/hub.ts'], ['../config/load.ts', '../auth/token.ts']],
    ['services/cli/log/verify.ts', ['../../hub/hub.ts', '../../engine/memory/engine.ts'], ['../../engine/file/checkpoint.ts']]
  ]
  const wrong: string[] = []
  for (const [file, forbidden, allowed] of cases) {
    for (const source of forbidden) if (!(await refusals(file, source)).some((message) => message.includes('may import from'))) wrong.push(`${file} may import ${source}`)
    for (const source of allowed) wrong.push(...(await refusals(file, source)).map((message) => `${file}, ${source}: ${message}`))
  }
  t.strictSame(wrong, [])
})

t.test('an import that the rule cannot resolve is refused, and a file outside the table too', async (t) => {
  const file = 'routes/api/clients.ts'
  const lint = async (path: string, code: string): Promise<string[]> => {
    const results = await eslint.lintText(`${code}\n`, { filePath: packagePath(path) })
    return results.flatMap(({ messages }) => messages.map(({ message }) => message))
  }
  t.match(await lint(file, "export type H = import('../../services/hub/hub.ts').Hub"), [/may import from/], 'a type')
  t.match(await lint(file, 'await import(`../../services/hub/hub.ts`)'), [/Import by a relative path/], 'a template')
  t.match(await refusals(file, 'fastify-hub'), [/Import by a relative path/], 'the package itself')
  t.match(await refusals(file, packagePath('services/hub/hub.ts')), [/Import by a relative path/], 'an absolute path')
  t.match(await refusals('services/shortcut/x.ts', '../hub/hub.ts'), [/no line in the table/], 'a new folder')
  t.match(await refusals('loose.ts', './services/hub/hub.ts'), [/no line in the table/], 'a loose file')
})

t.test('where a folder may import types of a file, it may not import values', async (t) => {
  const [file, node] = ['routes/live/ws.ts', '../../services/hub/node.ts']
  t.strictSame(await refusals(file, node, 'import type { HubNode } from'), [])
  t.match(await refusals(file, node, 'import { HubNode } from'), [/may import from/])
  t.match(await refusals(file, '../../services/hub/hub.ts', 'import type { Hub } from'), [/may import from/])
})

t.test('an import that closes a circle is refused, and a type import counts', async (t) => {
  t.match(await refusals('services/hub/clients/cursor.ts', './client.ts'), [/closes a circle: .*cursor\.ts → .*client\.ts → .*cursor\.ts/])
  t.match(await refusals('services/hub/clients/cursor.ts', './client.ts', 'import type { Client } from'), [/closes a circle/])
  t.strictSame(await refusals('services/hub/clients/client.ts', './cursor.ts'), [])
})
