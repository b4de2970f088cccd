import { connect, type Socket } from 'node:net'
import { clientFrame, FrameCounter } from './frames.ts'

const TEXT = 1
const CLOSE = 8
const PING = 9
const PONG = 10
const END_OF_HEAD = '\r\n\r\n'

// All clients read into the same memory: nothing is allocated when bytes come in.
const shared = Buffer.allocUnsafeSlow(65_536)

export interface ClientOptions {
  port: number
  path: string
  protocol: 'websocket' | 'socket.io'
  minBytes: number
  opened (): void
  counted (client: Client): void
  failed (reason: string): void
}

/** One connection: a handshake by hand, then a counter of frames that also answers pings. */
export class Client {
  received = 0
  readonly #options: ClientOptions
  readonly #socket: Socket
  readonly #frames: FrameCounter
  #head: string | undefined = ''

  constructor (options: ClientOptions) {
    this.#options = options
    this.#frames = new FrameCounter({
      minBytes: options.minBytes,
      counted: () => options.counted(this),
      other: (opcode, payload) => this.#other(opcode, payload)
    })
    this.#socket = connect({
      port: options.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: shared, callback: (size) => this.#read(shared.subarray(0, size)) }
    })
    this.#socket.on('error', (err) => options.failed(err.message))
    this.#socket.on('close', () => options.failed('The server closed a connection.'))
    this.#socket.write(`GET ${options.path} HTTP/1.1\r\nHost: 127.0.0.1:${options.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`)
  }

  #read (bytes: Buffer): true {
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
    if (this.#options.protocol === 'websocket') this.#options.opened()
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
    else if (packet.startsWith('40')) this.#options.opened()
    else this.#options.failed(`The server said something that the load does not know: ${packet}`)
  }
}
