// A WebSocket client that can violate RFC 6455: it writes frames over a TCP socket, and has a parser of its own that is
// independent of ws and of the hub.

import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Time limit of each wait in this file. */
const TIMEOUT_MS = 5000

/** The opcodes of RFC 6455 section 5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A received frame. `lengthBits` is the length form of section 5.2. A masked payload stays masked. */
export interface Frame { opcode: number, payload: Buffer, fin: boolean, rsv: number, masked: boolean, lengthBits: 7 | 16 | 64 }

/** The end of a connection. `code` is 1005 after a Close frame without a code, and 1006 without a Close frame. */
export interface Closing { code: number, reason: string }

/**
 * Fields of a frame that `frame()` builds. Only `opcode` is required; the defaults make a correct client frame.
 * `rsv` is 0–7 (RSV1 = 4); `length.bits` forces a length form, `length.claim` a length that differs from the payload.
 */
export interface FrameOptions {
  opcode: number, payload?: Buffer | string, fin?: boolean, rsv?: number, masked?: boolean, mask?: Buffer
  length?: { bits: 7 | 16 | 64, claim?: bigint }
}

/**
 * Builds the bytes of one frame, valid or invalid (RFC 6455 section 5.2). The default masking key is the key of section
 * 5.7, so that a case has the same bytes in every run.
 */
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

/** Parses the first frame of `bytes`, and returns it with its size; undefined while the frame is incomplete. */
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
  const payload = bytes.subarray(start, size)
  const rsv = (first >> 4) & 7
  return { frame: { opcode: first & 0x0f, payload, fin: first >= 0x80, rsv, masked, lengthBits }, size }
}

/**
 * Fields of a request that `handshake()` builds. A header of `null` is omitted, and a header of several values is
 * repeated. A header replaces the default with exactly the same name.
 */
export interface HandshakeOptions {
  path?: string, token?: string, method?: string, version?: string
  headers?: Record<string, string | string[] | null>
}

/** Returns the text of an opening handshake (RFC 6455 section 4.1), with the empty line at its end. */
export function handshake ({ path = '/admin/ws', token, method = 'GET', version = 'HTTP/1.1', headers = {} }: HandshakeOptions): string {
  const query = token === undefined ? '' : `${path.includes('?') ? '&' : '?'}token=${token}`
  const all: NonNullable<HandshakeOptions['headers']> = {
    Host: '127.0.0.1', Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'), ...headers
  }
  const lines = Object.entries(all).flatMap(([name, value]) => [value ?? []].flat().map((one) => `${name}: ${one}\r\n`))
  return `${method} ${path}${query} ${version}\r\n${lines.join('')}\r\n`
}

/** Settles like `promise`, or rejects after the time limit with an error that names the missing event. */
function within<T> (promise: Promise<T>, what: () => string, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new Error(`${what()} within ${timeoutMs} ms`)) }, timeoutMs)
  })
  return Promise.race([promise, timeout]).finally(() => { clearTimeout(timer) })
}

/** One connection after the handshake. Sends no frame by itself: no pong, no Close. */
export class RawClient {
  #socket: Socket
  #bytes: Buffer = Buffer.alloc(0)
  #frames: Frame[] = []
  #closing: Closing = { code: 1006, reason: '' }
  #changes = new EventEmitter()
  /** The head of the response to the handshake. */
  readonly head: string

  constructor (socket: Socket, head: string, rest: Buffer) {
    this.#socket = socket
    this.head = head
    socket.on('data', (chunk) => { this.#read(chunk) })
    socket.on('close', () => { this.#changes.emit('change') })
    this.#read(rest)
    socket.resume()
  }

  /** Writes bytes unchanged. After the end of the connection, drops the bytes without an error. */
  send (bytes: Buffer | string): void { this.#socket.write(bytes) }

  /** Resolves with the next frame, also a control frame. Rejects at the end of the connection and at the time limit. */
  async next (timeoutMs = TIMEOUT_MS): Promise<Frame> {
    for (;;) {
      const frame = this.#frames.shift()
      if (frame) return frame
      const { code } = this.#closing
      if (this.#socket.closed) throw new Error(`the server closed the connection (${code}) before a frame arrived`)
      await within(once(this.#changes, 'change'), () => 'no frame arrived from the server', timeoutMs)
    }
  }

  /** Received frames that `next()` has not returned yet. */
  unread (): readonly Frame[] { return this.#frames }

  /** Resolves when either side has ended the TCP connection. A paused client does not notice the end. */
  async closed (timeoutMs = TIMEOUT_MS): Promise<Closing> {
    while (!this.#socket.closed) {
      await within(once(this.#changes, 'change'), () => `the server did not end the connection (close code so far: ${this.#closing.code})`, timeoutMs)
    }
    return this.#closing
  }

  /** Stops reading until `resume()`, like a slow or frozen client. */
  pause (): void { this.#socket.pause() }
  resume (): void { this.#socket.resume() }
  /** Sends a FIN. The direction from the server stays open until the server ends it. */
  end (): void { this.#socket.end() }
  /** Sends an RST. */
  reset (): void { this.#socket.resetAndDestroy() }
  /** Destroys the socket, in a teardown. */
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

/** Returns the code and the reason in the body of a Close frame (RFC 6455 section 5.5.1). */
function closingOf (body: Buffer): Closing {
  return body.length < 2 ? { code: 1005, reason: '' } : { code: body.readUInt16BE(0), reason: body.toString('utf8', 2) }
}

/** Sends a request and collects the response until `isComplete`, or until the end. Returns the socket paused. */
async function exchange (
  port: number, bytes: Buffer | string, isComplete: (text: string) => boolean
): Promise<{ socket: Socket, response: Buffer }> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  // A server may end a connection with a reset: the bytes before the reset are the response.
  socket.on('error', () => undefined)
  const chunks: Buffer[] = []
  const completed = new Promise<void>((resolve) => {
    socket.on('close', () => { resolve() })
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      if (isComplete(Buffer.concat(chunks).toString('latin1'))) resolve()
    })
  })
  socket.write(bytes)
  const describeTimeout = (): string => {
    const firstLine = Buffer.concat(chunks).toString('latin1').split('\r\n', 1).join('')
    return `the server did not finish (first line: ${firstLine || 'none'})`
  }
  await within(completed, describeTimeout, TIMEOUT_MS).catch((err: unknown) => { socket.destroy(); throw err })
  socket.pause().removeAllListeners('data').removeAllListeners('close')
  return { socket, response: Buffer.concat(chunks) }
}

/** Opens a WebSocket. Rejects at a refusal and at a wrong accept key. The first `next()` is the greeting. */
export async function rawConnect (options: { port: number } & HandshakeOptions): Promise<RawClient> {
  const request = handshake(options)
  const { socket, response } = await exchange(options.port, request, (text) => text.includes('\r\n\r\n'))
  const end = response.indexOf('\r\n\r\n') + 4
  const head = response.toString('latin1', 0, end)
  const key = /^sec-websocket-key: (.*)\r$/im.exec(request)?.[1] ?? ''
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  if (head.startsWith('HTTP/1.1 101 ') && head.includes(`\r\nSec-WebSocket-Accept: ${accept}\r\n`)) {
    return new RawClient(socket, head, response.subarray(end))
  }
  socket.destroy()
  throw new Error(`the server refused the handshake: ${head.split('\r\n', 1).join('') || 'no response'}`)
}

/** Whether `text` is a complete HTTP/1.1 response (RFC 9112 section 6.3). False for a response without a length. */
function isWhole (text: string, headOnly: boolean): boolean {
  const end = text.indexOf('\r\n\r\n') + 4
  if (end === 3) return false
  if (headOnly || /^HTTP\/1\.[01] (1..|204|304) /.test(text)) return true
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1]
  if (length !== undefined) return text.length >= end + Number(length)
  return /\r\ntransfer-encoding: *chunked/i.test(text.slice(0, end)) && text.endsWith('0\r\n\r\n')
}

/**
 * Writes any bytes as an HTTP request and resolves with the text of the response, head and body.
 * `until: 'answer'` resolves at a complete response or at the end of the connection. `until: 'end'` resolves at the
 * end, and rejects when the server keeps the connection open. An empty text is an end without a response.
 */
export async function rawRequest (
  port: number, bytes: Buffer | string, { until = 'answer' }: { until?: 'answer' | 'end' } = {}
): Promise<string> {
  const headOnly = bytes.toString().startsWith('HEAD ')
  const { socket, response } = await exchange(port, bytes, (text) => until === 'answer' && isWhole(text, headOnly))
  socket.destroy()
  return response.toString('utf8')
}
