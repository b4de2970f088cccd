import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { serveAsPlain } from './plain-request.ts'

/** Marks servers that have a gate. */
const kGate = Symbol('fastify-hub.upgrade-gate')

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
  readonly #pending = new Map<Duplex, () => void>()
  readonly #streams = new WeakMap<IncomingMessage, Duplex>()
  #isClosed = false

  constructor (server: Server, { handshakeTimeoutMs }: UpgradeGateOptions) {
    super()
    if (kGate in server) throw new Error('There is a fastify-hub on this server already: register it once, in the scope that all others are in.')
    Object.assign(server, { [kGate]: this })
    this.#server = server
    this.#timeoutMs = handshakeTimeoutMs
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
  streamOf (request: IncomingMessage): Duplex | undefined {
    return this.#streams.get(request)
  }

  /** The request's upgrade is complete: its socket belongs to a WebSocket now. */
  admitted (request: IncomingMessage): void {
    const stream = this.#streams.get(request)
    if (stream !== undefined) this.#pending.get(stream)?.()
  }

  /** The request has been answered without an upgrade: its socket is of no more use. */
  refused (request: IncomingMessage): void {
    const stream = this.#streams.get(request)
    if (stream !== undefined && this.#pending.has(stream)) stream.destroy()
  }

  /** Destroys every socket whose upgrade is not complete, and from now on every one that asks. */
  close (): void {
    this.#isClosed = true
    for (const [socket, release] of this.#pending) giveUp(socket, release)
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (this.#isClosed) {
      socket.destroy()
      return
    }
    const isWanted = isWebSocket(request)
    // Somebody else who listens may answer what is not for a WebSocket: serving it here as well would run it twice.
    if (!isWanted && this.isAlone) return serveAsPlain(this.#server, request, socket, head)
    this.#guard(socket)
    this.#remember(request, socket)
    if (isWanted) this.emit('upgrade', request, socket, head)
  }

  readonly #remember = (request: IncomingMessage, stream: Duplex): void => {
    this.#streams.set(request, stream)
  }

  #guard (socket: Duplex): void {
    const timer = setTimeout(() => giveUp(socket, release), this.#timeoutMs).unref()
    const release = (): void => {
      clearTimeout(timer)
      this.#pending.delete(socket)
      socket.off('error', destroyIt)
      socket.off('close', release)
    }
    this.#pending.set(socket, release)
    // Node takes its own error listener off before the event; a reset must not reach the process meanwhile.
    socket.on('error', destroyIt)
    socket.on('close', release)
  }
}

/** Destroys a socket, unless somebody reads from it: then it was upgraded by one whom the gate does not know. */
function giveUp (socket: Duplex, release: () => void): void {
  if (socket.listenerCount('data') > 0) release()
  else socket.destroy()
}

function destroyIt (this: Duplex): void {
  this.destroy()
}

function isWebSocket ({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}
