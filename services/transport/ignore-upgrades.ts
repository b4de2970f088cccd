import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'

/** Result of a parse: the number of parsed bytes, or an error. */
type Parsed = number | Error

/** A request from Node's HTTP parser. `upgrade` is false where Node serves the request as a plain HTTP request. */
interface ParsedRequest extends IncomingMessage { upgrade: boolean }

/** The part of Node's HTTP parser that this file uses. Node has no public interface for the parser of a connection. */
interface Parser {
  readonly constructor: { readonly kOnExecute: number }
  readonly socket: Duplex | null
  /** The latest request whose headers are parsed. */
  readonly incoming: ParsedRequest | null
  /** Called with each request as soon as its headers are parsed. */
  onIncoming: (request: ParsedRequest, keepAlive: boolean) => number
  /** Parses bytes that the socket has emitted as `data`. */
  execute: (bytes: Buffer) => Parsed
  /** The bytes that the parser has read from a TCP socket by itself, valid during the function under `kOnExecute`. */
  getCurrentBuffer: () => Buffer
  [kOnExecute: number]: (parsed: Parsed) => void
}

interface ParsedSocket extends Duplex { readonly parser?: Parser | null }

/** A server of Node 22.21, 24.9 or later. */
interface DecidingServer extends Server { shouldUpgradeCallback: (request: IncomingMessage) => boolean }

/**
 * Sockets with a request whose upgrade is ignored. The value is the request until Node's parser has passed its end,
 * then null.
 */
const requests = new WeakMap<Duplex, IncomingMessage | null>()

/**
 * Makes a server serve requests as if they had no Upgrade header; RFC 9110 section 7.8 lets a server ignore the header.
 * Node decides at the end of the headers whether a request is an upgrade. A plain HTTP request keeps its body, its
 * order among pipelined requests, its timeouts and its connection.
 *
 * Node's parser still stops behind each request with an Upgrade header, and Node drops the bytes that it has read
 * behind the request: a pipelined request, or the start of one. After such a request, the parser also reports no errors
 * until the next headers are complete. Therefore the functions below parse the bytes behind the request, and report
 * the errors.
 *
 * @param isIgnored - whether a request with an Upgrade header is served as a plain HTTP request.
 */
export function ignoreUpgrades (server: Server, isIgnored: (request: IncomingMessage) => boolean): void {
  const ignores = (request: IncomingMessage): boolean => {
    if (!isIgnored(request)) return false
    watch(request)
    return true
  }
  const isDeciding = canDecide(server)
  if (isDeciding) {
    const decide = server.shouldUpgradeCallback
    server.shouldUpgradeCallback = (request) => !ignores(request) && decide.call(server, request)
  }
  const prepare = ({ parser }: ParsedSocket): void => {
    // The TCP socket below TLS has no parser. The parser of a later Node may have other functions.
    if (!parser || typeof parser.execute !== 'function' || typeof parser.getCurrentBuffer !== 'function') return
    parser.execute = executeAll
    if (isDeciding) return
    const { onIncoming } = parser
    parser.onIncoming = (request, keepAlive) => {
      if (request.upgrade && ignores(request)) request.upgrade = false
      return onIncoming(request, keepAlive)
    }
  }
  // Node's own listener stands first and has set the parser.
  server.on('connection', prepare)
  server.on('secureConnection', prepare)
}

function canDecide (server: Server): server is DecidingServer {
  return 'shouldUpgradeCallback' in server && typeof server.shouldUpgradeCallback === 'function'
}

/** Watches for the end of a request whose upgrade is ignored. Runs when the headers of the request are parsed. */
function watch (request: IncomingMessage): void {
  const socket: ParsedSocket = request.socket
  const isFirst = !requests.has(socket)
  requests.set(socket, request)
  const { parser } = socket
  if (!isFirst || !parser) return
  // The parser of a TCP connection reads the socket by itself, without `execute`, and then calls this function.
  const { kOnExecute } = parser.constructor
  const onExecute = parser[kOnExecute]
  if (onExecute === undefined) return
  parser[kOnExecute] = (parsed) => {
    parser[kOnExecute] = onExecute
    const bytes = parser.getCurrentBuffer()
    // For a socket with a listener of `data`, Node stops the reads of the parser and calls `execute` from now on.
    socket.on('data', ignore).off('data', ignore)
    const end = endOfParse(parser, socket, parsed, bytes.length)
    onExecute(end)
    if (typeof end === 'number' && end < bytes.length && !socket.destroyed) socket.unshift(bytes.subarray(end))
  }
}

/** Takes the place of a parser's `execute`: goes on behind each request whose upgrade is ignored. */
function executeAll (this: Parser, bytes: Buffer): Parsed {
  const { execute } = Object.getPrototypeOf(this) as Parser
  const { socket } = this
  let end = 0
  for (;;) {
    const rest = bytes.subarray(end)
    const parsed = execute.call(this, rest)
    const length = socket === null ? parsed : endOfParse(this, socket, parsed, rest.length)
    if (typeof length !== 'number') return length
    end += length
    // Node passes the bytes behind an upgrade to the listener of `upgrade`.
    if (end === bytes.length || socket === null || !requests.has(socket) || this.incoming?.upgrade === true) return end
  }
}

/** Returns the end of the parsed bytes: `length`, or the end of a request with an Upgrade header, or an error. */
function endOfParse (parser: Parser, socket: Duplex, parsed: Parsed, length: number): Parsed {
  const request = requests.get(socket)
  if (typeof parsed !== 'number' || request === undefined) return parsed
  if (request?.complete === true) {
    // No further request follows; as for all other connections that end, the bytes are not read.
    if (isLast(request)) return length
    requests.set(socket, null)
    return parsed
  }
  if (parsed === length || parser.incoming?.upgrade === true) return parsed
  return Object.assign(new Error('Parse Error'), { code: 'HPE_INVALID_CONSTANT', bytesParsed: parsed })
}

/** Whether the client expects the end of the connection behind the response (RFC 9112 section 9.3). */
function isLast ({ httpVersion, headers }: IncomingMessage): boolean {
  const options = headers.connection ?? ''
  return httpVersion === '1.0' ? !/\bkeep-alive\b/i.test(options) : /\bclose\b/i.test(options)
}

function ignore (): void {}
