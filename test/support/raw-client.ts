// A WebSocket client that can lie: RFC 6455 by hand over a TCP socket, and a parser that shares nothing with ws or with the hub.

import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** How long anything here is waited for before it fails with a sentence. */
const PATIENCE_MS = 5000

/** The opcodes of RFC 6455 section 5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A frame as it came; `lengthBits` says which of the three length forms of section 5.2 was used; a masked payload stays masked. */
export interface Frame { opcode: number, payload: Buffer, fin: boolean, rsv: number, masked: boolean, lengthBits: 7 | 16 | 64 }

/** How a connection ended: the code of the server's Close frame, 1005 when that had none, 1006 when there was no Close frame. */
export interface Closing { code: number, reason: string }

/**
 * What `frame()` shall build. Only `opcode` is needed; the rest is a correct client frame unless said otherwise.
 * `rsv` is 0–7 (RSV1 = 4); `length.bits` forces a length form, `length.claim` a length that is not the payload's.
 */
export interface FrameOptions {
  opcode: number, payload?: Buffer | string, fin?: boolean, rsv?: number, masked?: boolean, mask?: Buffer
  length?: { bits: 7 | 16 | 64, claim?: bigint }
}

/** Builds the bytes of one frame, right or wrong (RFC 6455 section 5.2), by default with the masking key of section 5.7, so that a case has the same bytes in every run. */
export function frame ({ opcode, payload = '', fin = true, rsv = 0, masked = true, mask = Buffer.from('37fa213d', 'hex'), length }: FrameOptions): Buffer {
  const data = Buffer.from(payload)
  const bits = length?.bits ?? (data.length < 126 ? 7 : data.length < 65536 ? 16 : 64)
  const claim = length?.claim ?? BigInt(data.length)
  const size = bits === 7 ? Buffer.alloc(1, Number(claim)) : Buffer.alloc(bits === 16 ? 3 : 9, bits === 16 ? 126 : 127)
  if (bits === 16) size.writeUInt16BE(Number(claim), 1)
  if (bits === 64) size.writeBigUInt64BE(claim, 1)
  const first = Buffer.of((fin ? 0x80 : 0) | (rsv << 4) | opcode)
  if (!masked) return Buffer.concat([first, size, data])
  size.writeUInt8(size.readUInt8(0) | 0x80, 0)
  return Buffer.concat([first, size, mask, data.map((byte, at) => byte ^ mask.readUInt8(at % 4))])
}

/** Reads the first whole frame of `bytes`, and how many bytes it took; undefined while some of it is still to come. */
function parse (bytes: Buffer): { frame: Frame, size: number } | undefined {
  if (bytes.length < 2) return
  const [first = 0, second = 0] = bytes
  const short = second & 0x7f
  const lengthBits = short < 126 ? 7 : short === 126 ? 16 : 64
  const masked = second >= 0x80
  const start = 2 + { 7: 0, 16: 2, 64: 8 }[lengthBits] + (masked ? 4 : 0)
  if (bytes.length < start) return
  const length = lengthBits === 7 ? short : lengthBits === 16 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if (bytes.length < start + length) return
  const size = start + length
  return { frame: { opcode: first & 0x0f, payload: bytes.subarray(start, size), fin: first >= 0x80, rsv: (first >> 4) & 7, masked, lengthBits }, size }
}

/** What `handshake()` shall say: a header of `null` is left out, one of several values is repeated; names replace defaults spelled alike. */
export interface HandshakeOptions {
  path?: string, token?: string, method?: string, version?: string
  headers?: Record<string, string | string[] | null>
}

/** The text of an opening handshake (RFC 6455 section 4.1), ended by the empty line. */
export function handshake ({ path = '/admin/ws', token, method = 'GET', version = 'HTTP/1.1', headers = {} }: HandshakeOptions): string {
  const query = token === undefined ? '' : `${path.includes('?') ? '&' : '?'}token=${token}`
  const all: NonNullable<HandshakeOptions['headers']> = {
    Host: '127.0.0.1', Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'), ...headers
  }
  const lines = Object.entries(all).flatMap(([name, value]) => [value ?? []].flat().map((one) => `${name}: ${one}\r\n`))
  return `${method} ${path}${query} ${version}\r\n${lines.join('')}\r\n`
}

/** Settles like `promise`, or rejects after the patience is over with a sentence that says what did not happen. */
function within<T> (promise: Promise<T>, what: () => string, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new Error(`${what()} within ${timeoutMs} ms`)) }, timeoutMs)
  })
  return Promise.race([promise, late]).finally(() => { clearTimeout(timer) })
}

/** One connection after the handshake. It answers nothing by itself: no pong, no Close. */
export class RawClient {
  #socket: Socket
  #bytes: Buffer = Buffer.alloc(0)
  #frames: Frame[] = []
  #closing: Closing = { code: 1006, reason: '' }
  #changes = new EventEmitter()
  /** The head of the answer to the handshake. */
  readonly head: string

  constructor (socket: Socket, head: string, rest: Buffer) {
    this.#socket = socket
    this.head = head
    socket.on('data', (chunk) => { this.#read(chunk) })
    socket.on('close', () => { this.#changes.emit('change') })
    this.#read(rest)
    socket.resume()
  }

  /** Writes bytes as they are; after the end of the connection they are lost without an error. */
  send (bytes: Buffer | string): void { this.#socket.write(bytes) }

  /** The next frame of the server, control frames included; rejects when the connection ends or the patience does. */
  async next (timeoutMs = PATIENCE_MS): Promise<Frame> {
    for (;;) {
      const frame = this.#frames.shift()
      if (frame) return frame
      if (this.#socket.closed) throw new Error(`the server closed the connection (${this.#closing.code}) before a frame came`)
      await within(once(this.#changes, 'change'), () => 'no frame came from the server', timeoutMs)
    }
  }

  /** Frames that came and that nobody has asked for with `next()`. */
  unread (): readonly Frame[] { return this.#frames }

  /** Resolves when the TCP connection is gone, by whoever's doing; a paused client does not notice. */
  async closed (timeoutMs = PATIENCE_MS): Promise<Closing> {
    while (!this.#socket.closed) {
      await within(once(this.#changes, 'change'), () => `the server did not end the connection (close code so far: ${this.#closing.code})`, timeoutMs)
    }
    return this.#closing
  }

  /** Stops reading, until `resume()`: a slow or frozen client. */
  pause (): void { this.#socket.pause() }
  resume (): void { this.#socket.resume() }
  /** The ends: our FIN (the server's side stays open until it ends it too), an RST, and letting go in a teardown. */
  end (): void { this.#socket.end() }
  reset (): void { this.#socket.resetAndDestroy() }
  destroy (): void { this.#socket.destroy() }

  #read (chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    for (let found = parse(this.#bytes); found; found = parse(this.#bytes)) {
      this.#bytes = this.#bytes.subarray(found.size)
      this.#frames.push(found.frame)
      if (found.frame.opcode === OPCODE.close) this.#closing = closingOf(found.frame.payload)
      this.#changes.emit('change')
    }
  }
}

/** The code and reason in a Close frame's body (RFC 6455 section 5.5.1). */
function closingOf (body: Buffer): Closing {
  return body.length < 2 ? { code: 1005, reason: '' } : { code: body.readUInt16BE(0), reason: body.toString('utf8', 2) }
}

/** Sends a request and collects the answer until `whole` is content with it or the connection ends. The socket comes back paused. */
async function ask (port: number, bytes: Buffer | string, whole: (text: string) => boolean): Promise<{ socket: Socket, answer: Buffer }> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => undefined) // A reset is one of the ways in which a server ends a connection: what had come before is the answer.
  const chunks: Buffer[] = []
  const answered = new Promise<void>((resolve) => {
    socket.on('close', () => { resolve() })
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      if (whole(Buffer.concat(chunks).toString('latin1'))) resolve()
    })
  })
  socket.write(bytes)
  const late = (): string => `the server did not finish (it said: ${Buffer.concat(chunks).toString('latin1').split('\r\n', 1).join('') || 'nothing'})`
  await within(answered, late, PATIENCE_MS).catch((err: unknown) => { socket.destroy(); throw err })
  socket.pause().removeAllListeners('data').removeAllListeners('close')
  return { socket, answer: Buffer.concat(chunks) }
}

/** Opens a WebSocket connection; rejects when the server refuses it or computes a wrong accept key. The greeting is the first `next()`. */
export async function rawConnect (options: { port: number } & HandshakeOptions): Promise<RawClient> {
  const request = handshake(options)
  const { socket, answer } = await ask(options.port, request, (text) => text.includes('\r\n\r\n'))
  const end = answer.indexOf('\r\n\r\n') + 4
  const head = answer.toString('latin1', 0, end)
  const key = /^sec-websocket-key: (.*)\r$/im.exec(request)?.[1] ?? ''
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  if (head.startsWith('HTTP/1.1 101 ') && head.includes(`\r\nSec-WebSocket-Accept: ${accept}\r\n`)) return new RawClient(socket, head, answer.subarray(end))
  socket.destroy()
  throw new Error(`the server refused the handshake: ${head.split('\r\n', 1).join('') || 'no answer'}`)
}

/** True when `text` holds a complete HTTP/1.1 answer (RFC 9112 section 6.3); one without a length ends with the connection. */
function isWhole (text: string, headOnly: boolean): boolean {
  const end = text.indexOf('\r\n\r\n') + 4
  if (end === 3) return false
  if (headOnly || /^HTTP\/1\.[01] (1..|204|304) /.test(text)) return true
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1]
  if (length !== undefined) return text.length >= end + Number(length)
  return /\r\ntransfer-encoding: *chunked/i.test(text.slice(0, end)) && text.endsWith('0\r\n\r\n')
}

/**
 * Writes any bytes as an HTTP request and resolves with the answer's text, head and body.
 * `until: 'answer'` resolves at a complete answer or at the end of the connection, whichever comes first; `until: 'end'` only when the server has
 * ended the connection, and rejects when it keeps it open. An empty text means: ended without an answer.
 */
export async function rawRequest (port: number, bytes: Buffer | string, { until = 'answer' }: { until?: 'answer' | 'end' } = {}): Promise<string> {
  const headOnly = bytes.toString().startsWith('HEAD ')
  const { socket, answer } = await ask(port, bytes, (text) => until === 'answer' && isWhole(text, headOnly))
  socket.destroy()
  return answer.toString('utf8')
}
