import { readFileSync } from 'node:fs'
import { packagePath } from '../../services/cli/package.ts'
import { browserMissing } from '../support/browser.ts'
import { program } from '../support/program.ts'
import { goProgram, pythonPackages, type Installed } from './install.ts'

/** What a client has after a lost connection: the id of the last event, a session, or the inbox of its user alone. */
export type Resumes = 'by id' | 'by session' | 'inbox only'

/** A client that other people wrote. */
export interface ForeignClient {
  readonly name: string
  readonly language: string
  /** '' for a program of the operating system. */
  readonly version: string
  readonly resumes: Resumes
  /** Whether the client can send. */
  readonly sends: boolean
  /** Event, or beginning of a message, that the adapter prints when the client is connected for the first time. */
  readonly ready: { readonly event: string, readonly data?: string }
  /**
   * Whether the client calls its handlers at the same time, so that an application orders messages by their sequence
   * id.
   */
  readonly isUnordered?: boolean
  /** What an application has to configure or to write, for the documentation. */
  readonly advice: string
  /** Prepares the adapter. Returns its program with leading arguments, or the reason why the client is skipped. */
  readonly install: () => Installed
  /** Arguments behind origin, token and group. */
  readonly options?: readonly string[]
}

const POSITION = { event: 'position' }
const JOINED = { event: 'joined' }
const GREETING = { event: '', data: '{"code":2000,' }
const RECONNECTS = 'nothing: it reconnects by itself, with the last id'
const BUFFER = 'a buffer larger than `websocket.maxMessageSize`'

/** The clients that run in Node, which `npm test` runs. */
const NODE: readonly ForeignClient[] = [
  ...(['2', '3', '4'] as const).map((major): ForeignClient => ({
    name: `eventsource ${major}`,
    language: 'JavaScript',
    version: npmVersion(`eventsource-${major}`),
    resumes: 'by id',
    sends: false,
    ready: POSITION,
    advice: RECONNECTS,
    install: () => script(`eventsource-${major}.ts`)
  })),
  {
    name: '@microsoft/fetch-event-source',
    language: 'JavaScript',
    version: npmVersion('@microsoft/fetch-event-source'),
    resumes: 'by id',
    sends: false,
    ready: POSITION,
    advice: '`onclose` throws, or it does not reconnect after a restart; `onmessage` gets events with a name, too',
    install: () => script('fetch-event-source.ts')
  },
  {
    name: 'eventsource-client',
    language: 'JavaScript',
    version: npmVersion('eventsource-client'),
    resumes: 'by id',
    sends: false,
    ready: POSITION,
    advice: '`onMessage` gets events with a name, too',
    install: () => script('eventsource-client.ts')
  },
  {
    name: '@azure/web-pubsub-client',
    language: 'JavaScript',
    version: npmVersion('@azure/web-pubsub-client'),
    resumes: 'by session',
    sends: true,
    ready: JOINED,
    advice: 'nothing: the reliable protocol is its default',
    install: () => script('web-pubsub.ts'),
    options: ['reliable']
  },
  {
    name: '@azure/web-pubsub-client, not reliable',
    language: 'JavaScript',
    version: npmVersion('@azure/web-pubsub-client'),
    resumes: 'inbox only',
    sends: true,
    ready: JOINED,
    advice: 'nothing: it reconnects by itself, with a new session',
    install: () => script('web-pubsub.ts'),
    options: ['plain']
  }
]

/** Browsers, and the clients in other languages, which `npm run test:clients` installs. */
const OTHERS: readonly ForeignClient[] = [
  {
    name: 'Chromium EventSource',
    language: 'JavaScript',
    version: '',
    resumes: 'by id',
    sends: false,
    ready: POSITION,
    advice: RECONNECTS,
    install: () => browserMissing() || script('chromium.ts'),
    options: ['eventsource']
  },
  {
    name: 'Chromium WebSocket',
    language: 'JavaScript',
    version: '',
    resumes: 'inbox only',
    sends: true,
    ready: GREETING,
    advice: 'the page reconnects: [a complete client](connections.md#close-codes)',
    install: () => browserMissing() || script('chromium.ts'),
    options: ['websocket']
  },
  {
    name: 'azure-messaging-webpubsubclient',
    language: 'Python',
    version: pythonVersion('azure-messaging-webpubsubclient'),
    resumes: 'by session',
    sends: true,
    ready: JOINED,
    isUnordered: true,
    advice: '`start_timeout=1`, or it does not resume after a refused connection; it calls a handler in a thread for each message: order them by `sequence_id`',
    install: () => pythonPackages('web_pubsub.py')
  },
  {
    name: 'azure-messaging-webpubsubclient, aio',
    language: 'Python',
    version: pythonVersion('azure-messaging-webpubsubclient'),
    resumes: 'by session',
    sends: true,
    ready: JOINED,
    advice: 'nothing: the reliable protocol is its default',
    install: () => pythonPackages('web_pubsub_aio.py')
  },
  {
    name: 'httpx-sse',
    language: 'Python',
    version: pythonVersion('httpx-sse'),
    resumes: 'by id',
    sends: false,
    ready: POSITION,
    advice: 'the application reconnects, with the last id; a read timeout longer than `websocket.pingPeriod`',
    install: () => pythonPackages('httpx_sse_client.py')
  },
  {
    name: 'r3labs/sse',
    language: 'Go',
    version: goVersion('r3labs', 'github.com/r3labs/sse/v2'),
    resumes: 'by id',
    sends: false,
    ready: POSITION,
    advice: `${BUFFER} (\`ClientMaxBufferSize\`); a call of \`SubscribeRaw\` in a loop: it returns after a restart; skip events without data: a lost connection makes one of the heartbeat`,
    install: () => goProgram('r3labs')
  },
  {
    name: 'tmaxmax/go-sse',
    language: 'Go',
    version: goVersion('go-sse', 'github.com/tmaxmax/go-sse'),
    resumes: 'by id',
    sends: false,
    ready: POSITION,
    advice: `${BUFFER} (\`Buffer\`), and \`Backoff.MaxInterval\``,
    install: () => goProgram('go-sse')
  }
]

/** All clients. */
export const CLIENTS: readonly ForeignClient[] = [...NODE, ...OTHERS]

/**
 * The clients that a run tests: those whose name or language contains one of the parts, which commas separate. `all`
 * names every client; undefined those in Node.
 */
export function chosenClients (parts: string | undefined): readonly ForeignClient[] {
  if (parts === undefined) return NODE
  if (parts === 'all') return CLIENTS
  const wanted = parts.toLowerCase().split(',')
  const chosen = CLIENTS.filter(({ name, language }) => {
    return wanted.some((part) => `${name} (${language})`.toLowerCase().includes(part))
  })
  if (chosen.length === 0) throw new Error(`HUB_CLIENTS names no client: ${parts}. Use all, or a part of a name or language.`)
  return chosen
}

function script (name: string): Installed {
  const { path, execArgv } = program(`./adapters/${name}`, import.meta.url)
  return { command: process.execPath, args: [...execArgv, path] }
}

function npmVersion (name: string): string {
  return (JSON.parse(text(`node_modules/${name}/package.json`)) as { version: string }).version
}

function pythonVersion (name: string): string {
  return found(text('test/clients/adapters/python/requirements.txt'), `^${name}==(.+)$`)
}

function goVersion (folder: string, module: string): string {
  return found(text(`test/clients/adapters/go/${folder}/go.mod`), `${module} v(\\S+)`)
}

function found (content: string, pattern: string): string {
  return new RegExp(pattern, 'm').exec(content)?.[1] ?? ''
}

function text (path: string): string {
  return readFileSync(packagePath(path), 'utf8')
}
