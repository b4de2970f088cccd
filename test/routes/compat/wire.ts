// Runs the transcripts of a document over raw TCP: the frames that clients of the older services send and receive.

import { Type } from '@sinclair/typebox'
import type { Test } from 'tap'
import { ActionError } from '../../../index.ts'
import type { ConfigInput } from '../../../services/config/input.ts'
import { listen, token } from '../../support/helper.ts'
import { frame, handshake, OPCODE, rawConnect, rawRequest, type Frame, type RawClient } from '../../support/raw-client.ts'

/** One transcript of a document: the configuration, and line by line the frames of each client. */
export interface Transcript {
  readonly title: string
  readonly config: ConfigInput
  readonly lines: readonly string[]
}

/** Longer than the slowest heartbeat of the older services. */
const PATIENCE_MS = 20_000
const SETTING = /^ *([\w.]+): *(.+?) *$/
const LINE = /^(?<who>\w+) (?<direction>[<>]) (?<what>\S+)(?: (?<rest>.*))?$/
/** Payload of an ack probe; a WebSocket library responds to the Ping by itself. */
const PROBE = /^Server->Ping->Client \d+$/

/** The blocks of a document that begin with ```wire, each under the heading before it. */
export function transcriptsIn (markdown: string): Transcript[] {
  const found = markdown.matchAll(/^#+ (?<title>.+)\n(?:(?!#|```).*\n)*```wire(?<settings>.*)\n(?<body>[^]*?)\n```$/gm)
  return [...found].map(({ groups: { title = '', settings = '', body = '' } = {} }) => ({ title, config: configOf(settings), lines: body.split('\n') }))
}

function configOf (settings: string): ConfigInput {
  const config: Record<string, Record<string, string>> = {}
  for (const setting of settings.split(',').filter((one) => one.trim() !== '')) {
    const [, path = '', value = ''] = SETTING.exec(setting) ?? []
    const [section = '', key = ''] = path.split('.')
    config[section] = { ...config[section], [key]: value }
  }
  return config
}

/** A service and the clients of one transcript. */
class Player {
  readonly #t: Test
  readonly #service: Awaited<ReturnType<typeof listen>>
  readonly #clients = new Map<string, RawClient>()
  readonly #ids = new Map<string, string>()
  /** Clients that respond to no ack probe, so that the transcript shows the probe. */
  readonly #mute = new Set<string>()
  /** Responses to plain requests, by client. */
  readonly #responses = new Map<string, string>()

  constructor (t: Test, service: Awaited<ReturnType<typeof listen>>) {
    this.#t = t
    this.#service = service
  }

  async play (line: string): Promise<void> {
    const { who = '', direction, what = '', rest = '' } = LINE.exec(line)?.groups ?? {}
    if (direction === '>') return this.#send(who, what, this.#fill(rest))
    this.#t.equal(`${who} < ${await this.#receive(who, what)}`, this.#fill(line), line)
  }

  async #send (who: string, what: string, rest: string): Promise<void> {
    const client = this.#clients.get(who)
    switch (what) {
      case 'open': return this.#open(who, rest)
      case 'broadcast': return this.#broadcast(rest)
      case 'text': return client?.send(frame({ opcode: OPCODE.text, payload: rest }))
      case 'binary': return client?.send(frame({ opcode: OPCODE.binary, payload: Buffer.from(rest, 'hex') }))
      case 'ping': return client?.send(frame({ opcode: OPCODE.ping, payload: rest }))
      case 'pong': return client?.send(frame({ opcode: OPCODE.pong, payload: rest }))
      case 'close': return client?.send(frame({ opcode: OPCODE.close, payload: closeBody(rest) }))
      case 'letters': return client?.send(frame({ opcode: OPCODE.text, payload: 'x'.repeat(Number(rest)) }))
      case 'mute': return void this.#mute.add(who)
      case 'leave': return this.#leave(who, client)
      default: this.#responses.set(who, await this.#request(what, rest))
    }
  }

  async #open (who: string, rest: string): Promise<void> {
    const [path = '', protocols] = rest.split(' offering ')
    const client = await rawConnect({ port: this.#service.port, path: encodeURI(path), headers: protocols === undefined ? {} : { 'Sec-WebSocket-Protocol': protocols } })
    this.#t.teardown(() => client.destroy())
    this.#clients.set(who, client)
    this.#responses.set(who, client.head)
    const { clients } = await this.#service.app.hub.clients({ limit: 1000 })
    this.#ids.set(who, clients.at(-1)?.id ?? '')
  }

  async #broadcast (json: string): Promise<void> {
    await this.#service.app.hub.broadcast(JSON.parse(json))
  }

  /** Resolves when the hub has emitted `close` for the client. */
  async #leave (who: string, client: RawClient | undefined): Promise<void> {
    const { hub } = this.#service.app
    const id = this.#ids.get(who)
    const gone = new Promise<void>((resolve) => hub.on('close', (one) => { if (one.id === id) resolve() }))
    client?.reset()
    await gone
  }

  async #request (method: string, rest: string): Promise<string> {
    const [, path = '', upgrade, body = ''] = /^(\S+)( Upgrade)?(?: (.*))?$/s.exec(rest) ?? []
    const { port } = this.#service
    if (upgrade !== undefined) return rawRequest(port, handshake({ method, path }))
    return rawRequest(port, `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  }

  async #receive (who: string, what: string): Promise<string> {
    if (/^\d+$/.test(what)) return shownResponse(this.#responses.get(who) ?? '')
    const client = this.#clients.get(who)
    if (client === undefined) return 'is not there'
    if (what === 'end') return client.closed(PATIENCE_MS).then(() => 'end')
    // The Pong arrives behind every frame that the hub sent before.
    if (what === 'nothing') client.send(frame({ opcode: OPCODE.ping, payload: 'nothing?' }))
    const received = await nextOf(client, this.#mute.has(who))
    return what === 'nothing' && received === 'pong nothing?' ? 'nothing' : received
  }

  #fill (text: string): string {
    return text.replace(/<id of (\w+)>/g, (_, who: string) => this.#ids.get(who) ?? '').replace(/<token of (\w+)>/g, (_, user: string) => token({ user, roles: user === 'admin' ? ['admin'] : [] }))
  }
}

/** The next frame that a program would see, as it stands in a transcript. */
async function nextOf (client: RawClient, isMute: boolean): Promise<string> {
  for (;;) {
    const { opcode, payload } = await client.next(PATIENCE_MS)
    const isProbe = opcode === OPCODE.ping && PROBE.test(payload.toString())
    if (isProbe && isMute) return 'ping Server->Ping->Client …'
    if (!isProbe) return shownFrame(opcode, payload)
    client.send(frame({ opcode: OPCODE.pong, payload }))
  }
}

function shownFrame (opcode: Frame['opcode'], payload: Buffer): string {
  const name = Object.entries(OPCODE).find(([, code]) => code === opcode)?.[0] ?? String(opcode)
  if (opcode === OPCODE.binary) return `binary ${payload.toString('hex')}`
  const text = opcode === OPCODE.close ? shownClose(payload) : payload.toString().replaceAll('\n', '⏎')
  return text === '' ? name : `${name} ${text}`
}

function shownClose (payload: Buffer): string {
  return payload.length < 2 ? '' : `${payload.readUInt16BE()} ${payload.toString('utf8', 2)}`.trim()
}

function closeBody (rest: string): Buffer {
  const [code = '', ...reason] = rest.split(' ')
  if (code === '') return Buffer.alloc(0)
  const head = Buffer.alloc(2)
  head.writeUInt16BE(Number(code))
  return Buffer.concat([head, Buffer.from(reason.join(' '))])
}

/** Status, type in brackets, and body; of the response to a handshake, the status and the subprotocol. */
function shownResponse (response: string): string {
  const [head = '', body = ''] = response.split(/\r\n\r\n(.*)/s)
  const header = (name: string) => new RegExp(`^${name}: (.*?)\\r?$`, 'im').exec(head)?.[1]
  const status = head.slice(9, 12)
  if (status === '101') return ['101', header('sec-websocket-protocol')].filter((part) => part !== undefined).join(' ')
  const parts = [status, header('location'), header('content-type') && `(${header('content-type') ?? ''})`, body.replaceAll('\n', '⏎')]
  return parts.filter((part) => part !== undefined && part !== '').join(' ')
}

/** The action of the application in the transcripts. */
function register ({ name }: { name: string }): { name: string } {
  if (name === 'bob') throw new ActionError(1001, `用户名【${name}】已存在`)
  return { name }
}

/** Plays a transcript; every line with a received frame or response is an assertion. */
export async function play (t: Test, { config, lines }: Transcript): Promise<void> {
  const service = await listen(t, config)
  service.app.hub.action('register', Type.Object({ name: Type.String() }), register)
  const player = new Player(t, service)
  for (const line of lines) if (line.trim() !== '') await player.play(line)
}
