import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { systemClock } from '../lib/clock.ts'
import { serveWithoutUpgrade } from './ignore-upgrade.ts'

/** Marks servers that have a gate. */
const kGate = Symbol('fastify-hub.upgrade-gate')
/** Where a request keeps the stream that its WebSocket will write to; one that is injected for tests has no socket. */
const kStream = Symbol('fastify-hub.stream')
/** Where a request keeps the response that it will not get. */
const kResponse = Symbol('fastify-hub.response')

interface UpgradeRequest extends IncomingMessage {
  [kStream]?: Duplex
  [kResponse]?: ServerResponse
}

/** Options of an UpgradeGate. */
export interface UpgradeGateOptions {
  /** Time in ms after which an upgrade that nobody has completed is destroyed. */
  readonly handshakeTimeoutMs: number
}

/**
 * Stands between the HTTP server and whoever completes upgrades. Node lets go of a socket when it asks for an upgrade:
 * no timeout applies to it any more, and one that is refused, never routed or simply forgotten would stay for ever and
 * hold `close()` up. The gate destroys each unless `admitted` is called for it in time.
 *
 * The gate is an EventEmitter, so that it can stand in for the server: what listens to its `upgrade` gets only requests
 * that ask for a WebSocket. Others, such as the `h2c` that Java and `curl --http2` offer with every request, are
 * handled as if they had not asked.
 */
export class UpgradeGate extends EventEmitter {
  readonly #server: Server
  readonly #timeoutMs: number
  /** The sockets whose upgrade is not complete, oldest first, and when each is given up. */
  readonly #pending = new Map<Duplex, number>()
  readonly #onClose: (this: Duplex) => void
  #timer: NodeJS.Timeout | null = null
  #isClosed = false

  constructor (server: Server, { handshakeTimeoutMs }: UpgradeGateOptions) {
    super()
    if (kGate in server) throw new Error('There is a fastify-hub on this server already: register it once, in the scope that all others are in.')
    Object.assign(server, { [kGate]: this })
    this.#server = server
    this.#timeoutMs = handshakeTimeoutMs
    const gate = this
    this.#onClose = function () { gate.#release(this) }
    // First of all listeners, because the others may answer at once.
    server.prependListener('upgrade', this.#onUpgrade)
    // Requests that are injected for tests come to the listener directly.
    this.on('upgrade', this.#remember)
  }

  /** Whether nobody else completes upgrades of this server. */
  get isAlone (): boolean {
    return this.#server.listenerCount('upgrade') === 1
  }

  /** The stream that a WebSocket of this request writes to. */
  streamOf (request: UpgradeRequest): Duplex | undefined {
    return request[kStream]
  }

  /** Says which response the request would have had, so that it can be let go of once the upgrade is complete. */
  trackResponse (request: UpgradeRequest, response: ServerResponse): void {
    request[kResponse] = response
  }

  /** The request's upgrade is complete: its socket belongs to a WebSocket now. */
  upgraded (request: UpgradeRequest): void {
    const stream = this.streamOf(request)
    if (stream !== undefined) this.#release(stream)
    const response = request[kResponse]
    // The socket would keep it, and with it all of the request, for as long as the connection lasts.
    if (response?.socket) response.detachSocket(response.socket)
  }

  /** The request has been answered without an upgrade: its socket is of no more use. */
  refused (request: IncomingMessage): void {
    const stream = this.streamOf(request)
    if (stream !== undefined && this.#pending.has(stream)) stream.destroy()
  }

  /** Destroys every socket whose upgrade is not complete, and from now on every one that asks. */
  close (): void {
    this.#isClosed = true
    this.#stopTimer()
    for (const socket of this.#pending.keys()) this.#giveUp(socket)
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (this.#isClosed) {
      socket.destroy()
      return
    }
    const isWanted = isWebSocket(request)
    // Somebody else who listens may answer what is not for a WebSocket: serving it here as well would run it twice.
    if (!isWanted && this.isAlone) return serveWithoutUpgrade(this.#server, request, socket, head)
    this.#guard(socket)
    if (isWanted) this.emit('upgrade', request, socket, head)
    else this.#remember(request, socket)
  }

  readonly #remember = (request: UpgradeRequest, stream: Duplex): void => {
    request[kStream] = stream
  }

  #guard (socket: Duplex): void {
    this.#pending.set(socket, systemClock.steady() + this.#timeoutMs)
    // Node takes its own error listener off before the event; a reset must not reach the process meanwhile.
    socket.on('error', destroyIt)
    socket.on('close', this.#onClose)
    // One timer for all: it comes once in a handshake's time, whether anybody is late or not.
    this.#timer ??= setTimeout(this.#sweep, this.#timeoutMs).unref()
  }

  #release (socket: Duplex): void {
    if (!this.#pending.delete(socket)) return
    socket.off('error', destroyIt)
    socket.off('close', this.#onClose)
  }

  /** Gives up what is late, and comes again when the next one will be. */
  readonly #sweep = (): void => {
    this.#timer = null
    const now = systemClock.steady()
    for (const [socket, deadline] of this.#pending) {
      if (deadline > now) {
        this.#timer = setTimeout(this.#sweep, deadline - now).unref()
        return
      }
      this.#giveUp(socket)
    }
  }

  #stopTimer (): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  /** Destroys a socket, unless somebody reads from it: then it was upgraded by one whom the gate does not know. */
  #giveUp (socket: Duplex): void {
    if (socket.listenerCount('data') === 0) socket.destroy()
    this.#release(socket)
  }
}

function destroyIt (this: Duplex): void {
  this.destroy()
}

function isWebSocket ({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}
