import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { finished, type Duplex } from 'node:stream'
import Router from 'find-my-way'
import { systemClock } from '../lib/clock.ts'
import { ignoreUpgrades } from './ignore-upgrades.ts'

/** Marks a server that has a gate. */
const kGate = Symbol('fastify-hub.upgrade-gate')
/** Key on a request for the stream below its WebSocket. An injected test request has a stream and no socket. */
const kStream = Symbol('fastify-hub.stream')
/** Key on a request for the response object that Fastify created and an upgrade leaves unused. */
const kResponse = Symbol('fastify-hub.response')

/** How an application matches the paths of requests, as in Fastify's `routerOptions`. */
export interface PathRules {
  readonly caseSensitive?: boolean
  readonly ignoreDuplicateSlashes?: boolean
  readonly ignoreTrailingSlash?: boolean
  readonly maxParamLength?: number
  readonly useSemicolonDelimiter?: boolean
}

interface UpgradeRequest extends IncomingMessage {
  [kStream]?: Duplex
  [kResponse]?: ServerResponse
}

/**
 * Owns every socket from its `upgrade` event until the upgrade is complete or refused.
 *
 * Node detaches its HTTP parser, its timeouts and its error listener from a socket before it emits `upgrade`. From then
 * on, the server does not end the socket: an upgrade that is refused, matches no route or never completes would keep
 * its socket open without limit and block `server.close()`. The gate therefore
 *
 * 1. adds each upgrading socket to its pending sockets, with an error listener and a deadline;
 * 2. removes the socket at `upgraded`, when the WebSocket takes it over;
 * 3. destroys the socket at `refused`, at the deadline, and at `close`.
 *
 * The gate is an EventEmitter and takes the server's place for @fastify/websocket: its `upgrade` event carries only
 * requests for a WebSocket, and `overdue` carries each socket that is destroyed at its deadline. A request for another
 * protocol, such as the `h2c` that Java and `curl --http2` offer with every request, is no upgrade: the server serves
 * it as a plain HTTP request.
 *
 * Other libraries may listen to `upgrade` on the same server, and many of them refuse or destroy every request for a
 * path that is not their own. Beside them, the gate takes the requests for the WebSocket routes of Fastify, which no
 * other listener receives, and leaves all other requests to the other listeners.
 */
export class UpgradeGate extends EventEmitter {
  readonly #server: Server
  readonly #handshakeTimeoutMs: number
  /** Matches the paths of WebSocket routes in the way of the application. */
  readonly #routes: Router.Instance<Router.HTTPVersion.V1>
  /** Sockets whose upgrade is pending, oldest first, each with its deadline in ms of the steady clock. */
  readonly #pending = new Map<Duplex, number>()
  readonly #onClose: (this: Duplex) => void
  #timer: NodeJS.Timeout | null = null
  #isClosed = false

  /**
   * @param handshakeTimeoutMs - time from the `upgrade` event to the destruction of a socket with a pending upgrade.
   * @param pathRules - how the application matches paths.
   * @throws {Error} for a server that has a gate already.
   */
  constructor (server: Server, handshakeTimeoutMs: number, pathRules: PathRules = {}) {
    super()
    if (kGate in server) {
      throw new Error('This server has a fastify-hub already: register fastify-hub once, in the outermost scope that needs it.')
    }
    Object.assign(server, { [kGate]: this })
    this.#server = server
    this.#handshakeTimeoutMs = handshakeTimeoutMs
    this.#routes = Router(pathRules)
    const gate = this
    this.#onClose = function () { gate.#release(this) }
    ignoreUpgrades(server, (request) => {
      if (this.#isOwn(request)) return !isForWebSocket(request) || hasResponseBefore(request)
      // Another listener of the server may complete the upgrade.
      return isHopeless(request)
    })
    // Before all other listeners, because another listener may complete the upgrade at once.
    server.prependListener('upgrade', this.#onUpgrade)
    const emit = server.emit.bind(server) as (event: string | symbol, ...args: unknown[]) => boolean
    const emitToOne = (event: string | symbol, ...args: unknown[]): boolean => {
      const [request, socket, head] = args as [IncomingMessage, Duplex, Buffer]
      if (event !== 'upgrade' || this.isAlone || !this.#isOwn(request)) return emit(event, ...args)
      this.#onUpgrade(request, socket, head)
      return true
    }
    Object.assign(server, { emit: emitToOne })
    // An injected test request emits `upgrade` on the gate directly.
    this.on('upgrade', this.#setStream)
  }

  /** Whether the gate is the server's only `upgrade` listener, so that no other code completes upgrades. */
  get isAlone (): boolean {
    return this.#server.listenerCount('upgrade') === 1
  }

  /** Adds the path of a WebSocket route of Fastify, whose upgrades are for the listeners of the gate alone. */
  addRoute (path: string): void {
    if (!this.#routes.hasRoute('GET', path)) this.#routes.on('GET', path, () => {})
  }

  /** Whether an upgrade is for the gate. Other listeners may complete the upgrades of all other requests. */
  #isOwn ({ url = '' }: IncomingMessage): boolean {
    return this.isAlone || this.#routes.find('GET', url) !== null
  }

  /** The stream below the WebSocket of this request; undefined for a request that did not pass the gate. */
  streamOf (request: UpgradeRequest): Duplex | undefined {
    return request[kStream]
  }

  /** Remembers the response object of a request until `upgraded` detaches it. */
  trackResponse (request: UpgradeRequest, response: ServerResponse): void {
    request[kResponse] = response
  }

  /** Hands the socket of a completed upgrade over to its WebSocket. */
  upgraded (request: UpgradeRequest): void {
    const stream = this.streamOf(request)
    if (stream !== undefined) this.#release(stream)
    const response = request[kResponse]
    // The socket refers to the response, and the response keeps the whole request in memory until the socket closes.
    if (response?.socket) response.detachSocket(response.socket)
  }

  /** Destroys the socket of an upgrade request that got an HTTP response instead of an upgrade. */
  refused (request: IncomingMessage): void {
    const stream = this.streamOf(request)
    if (stream !== undefined && this.#pending.has(stream)) stream.destroy()
  }

  /** Destroys all sockets with a pending upgrade, and from now on the socket of every new upgrade request. */
  close (): void {
    this.#isClosed = true
    this.#stopTimer()
    for (const socket of this.#pending.keys()) this.#abandon(socket)
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (this.#isClosed) {
      socket.destroy()
      return
    }
    this.#guard(socket)
    if (isForWebSocket(request) && this.#isOwn(request)) this.emit('upgrade', request, socket, head)
    else this.#setStream(request, socket)
  }

  readonly #setStream = (request: UpgradeRequest, stream: Duplex): void => {
    request[kStream] = stream
    // A socket emits `close` when both sides have ended; the stream of an injected request does not.
    if (!(stream instanceof Socket)) finished(stream, () => { stream.destroy() })
  }

  /** Adds a socket to the pending sockets. */
  #guard (socket: Duplex): void {
    this.#pending.set(socket, systemClock.steady() + this.#handshakeTimeoutMs)
    // Node has removed its own error listener; a connection reset would end the process.
    socket.on('error', destroySelf)
    socket.on('close', this.#onClose)
    // One timer serves all pending sockets: the timeout is the same for all, so the oldest socket has the next
    // deadline.
    this.#timer ??= setTimeout(this.#destroyOverdue, this.#handshakeTimeoutMs).unref()
  }

  /** Removes a socket from the pending sockets, with the gate's listeners. */
  #release (socket: Duplex): void {
    if (!this.#pending.delete(socket)) return
    socket.off('error', destroySelf)
    socket.off('close', this.#onClose)
  }

  /** Destroys the sockets past their deadline, then sets the timer to the next deadline. */
  readonly #destroyOverdue = (): void => {
    this.#timer = null
    const now = systemClock.steady()
    for (const [socket, deadline] of this.#pending) {
      if (deadline > now) {
        this.#timer = setTimeout(this.#destroyOverdue, deadline - now).unref()
        return
      }
      if (!hasReader(socket)) this.emit('overdue', socket)
      this.#abandon(socket)
    }
  }

  #stopTimer (): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  /**
   * Destroys a pending socket and removes it. A socket with a reader stays open: another library has completed its
   * upgrade without the gate's knowledge.
   */
  #abandon (socket: Duplex): void {
    if (!hasReader(socket)) socket.destroy()
    this.#release(socket)
  }
}

function hasReader (socket: Duplex): boolean {
  return socket.listenerCount('data') + socket.listenerCount('readable') > 0
}

function destroySelf (this: Duplex): void {
  this.destroy()
}

function isForWebSocket ({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * Whether no listener can complete the upgrade: the request names no protocol but `h2c`, which RFC 9113 section 3.1 has
 * withdrawn and Node does not implement.
 */
function isHopeless ({ headers }: IncomingMessage): boolean {
  return (headers.upgrade ?? '').split(',').every((name) => ['', 'h2c'].includes(name.trim().toLowerCase()))
}

/**
 * Whether an earlier request of the connection still has no complete response. A pipelined handshake gets its response
 * in order as a plain HTTP request; as an upgrade, it would find the socket in use.
 */
function hasResponseBefore ({ socket }: IncomingMessage): boolean {
  return '_httpMessage' in socket && Boolean(socket._httpMessage)
}
