import { connect, type Socket } from 'node:net'
import type { Protocol } from '../peers.ts'
import { clientFrame, FrameCounter } from './frames.ts'

const TEXT = 1
const CLOSE = 8
const PING = 9
const PONG = 10
const END_OF_HEAD = '\r\n\r\n'

/** Characters that Socket.IO puts before a text: `42["m","…"]`. */
const SOCKET_IO_PREFIX = 8

// All clients read into the same memory, so that receiving bytes does not allocate.
const shared = Buffer.allocUnsafeSlow(65_536)

export interface ClientOptions {
  port: number
  path: string
  protocol: Protocol
  minBytes: number
  /** Whether messages start with the time of sending. */
  isStamped: boolean
  /** Whether to offer compression, as browsers do. */
  offersDeflate: boolean
  opened: (client: Client) => void
  /** Number of all received bytes. */
  read: (size: number) => void
  counted: (client: Client, sentUs: number) => void
  failed: (reason: string) => void
}

/** One connection: a handshake on a TCP socket, then a counter of frames that also answers pings. */
export class Client {
  received = 0
  readonly #options: ClientOptions
  readonly #socket: Socket
  readonly #frames: FrameCounter
  #hasLeft = false
  #head: string | undefined = ''

  constructor (options: ClientOptions) {
    const { port, path, protocol, minBytes, isStamped, offersDeflate, counted, failed } = options
    this.#options = options
    this.#frames = new FrameCounter({
      minBytes,
      stampAt: isStamped ? protocol === 'socket.io' ? SOCKET_IO_PREFIX : 0 : undefined,
      counted: (sentUs) => counted(this, sentUs),
      other: (opcode, payload) => this.#other(opcode, payload)
    })
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: shared, callback: (size) => this.#read(shared.subarray(0, size)) }
    })
    this.#socket.on('error', (err) => failed(err.message))
    this.#socket.on('close', () => { if (!this.#hasLeft) failed('The server closed a connection.') })
    const extensions = offersDeflate ? 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n' : ''
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n${extensions}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`)
  }

  /** Stops reading; the client stays connected. */
  freeze (): void {
    this.#socket.pause()
  }

  /** Ends the connection without a Close frame. */
  leave (): void {
    this.#hasLeft = true
    this.#socket.destroy()
  }

  #read (bytes: Buffer): true {
    this.#options.read(bytes.length)
    if (this.#head === undefined) this.#frames.read(bytes)
    else this.#handshake(this.#head + bytes.toString('latin1'))
    return true
  }

  #handshake (text: string): void {
    const end = text.indexOf(END_OF_HEAD)
    if (end < 0) {
      this.#head = text
      return
    }
    this.#head = undefined
    if (!text.startsWith('HTTP/1.1 101 ')) return this.#options.failed(`The server refused a connection: ${text}`)
    if (this.#options.protocol === 'websocket') this.#options.opened(this)
    this.#frames.read(Buffer.from(text.slice(end + END_OF_HEAD.length), 'latin1'))
  }

  #other (opcode: number, payload: Buffer): void {
    if (opcode === PING) this.#socket.write(clientFrame(PONG, payload))
    else if (opcode === CLOSE) this.#options.failed(`The server closed a connection: ${payload.subarray(2).toString()}`)
    else if (this.#options.protocol === 'socket.io') this.#packet(payload.toString('latin1'))
  }

  // Engine.IO 4: "0…" open, "2" ping, "3" pong; Socket.IO 5: "40" connect, "40{…}" connected.
  #packet (packet: string): void {
    if (packet.startsWith('0')) this.#socket.write(clientFrame(TEXT, Buffer.from('40')))
    else if (packet === '2') this.#socket.write(clientFrame(TEXT, Buffer.from('3')))
    else if (packet.startsWith('40')) this.#options.opened(this)
    else this.#options.failed(`The server sent a packet that the load does not know: ${packet}`)
  }
}
