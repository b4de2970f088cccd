import { toBase64, type Offset, type Payload } from '../model/message.ts'
import type { Protocol } from './protocol.ts'

/** Settings of Server-Sent Events. */
export interface SseOptions {
  /**
   * Time that a client waits before reconnecting, in ms: at least this time and less than twice as much, at random, so
   * that the clients of a service that restarts do not all reconnect at once.
   */
  readonly retryMs: number
  /**
   * Numbers from 0 to 1.
   * @default Math.random
   */
  readonly random?: () => number
}

/** The line ends of an event stream (WHATWG HTML section 9.2.5). */
const LINE_END = /\r\n|\r|\n/

/**
 * The protocol of Server-Sent Events (WHATWG HTML section 9.2). A message is a `message` event with the payload as data
 * and the offset as id; a binary payload is base64 in a `binary` event. On reconnecting, a client sends the last id
 * (`Last-Event-ID`). Every line end of a text arrives as a line feed: the format has no other.
 */
export function createSse ({ retryMs, random = Math.random }: SseOptions): Protocol {
  return {
    name: 'sse',
    acknowledgedBy: 'position',
    isResumable: false,
    // A comment is a line, not a block: some parsers take every empty line for an event.
    ping: Buffer.from(':\n'),
    pong: null,

    /** Shares a block with the first event. The comment makes proxies forward the response head before that. */
    encodeGreeting: () => Buffer.from(`${retryField(retryMs, random)}: connected\n`),

    /** The stream has one direction: a client cannot send frames. */
    decode: () => ({ kind: 'ignored' }),

    encode: ({ payload, offset }) => Buffer.from(`id: ${offset}\n${event(payload)}`),

    encodeReply: (payload) => Buffer.from(event(payload)),

    encodeResult: () => null,

    /**
     * Sets the position that the client sends on reconnecting. An event of its own, with data: an id without data
     * raises no event in a browser (section 9.2.6), but many other parsers take it for an empty message. No reply comes
     * back.
     */
    encodeProbe: (offset) => ({ bytes: Buffer.from(`event: position\nid: ${offset}\ndata: ${offset}\n\n`), pong: '' }),

    /** The id is the position, which may be below the end of the gap: messages between the two are still in the log. */
    encodeGap ({ after, upTo, position }) {
      return Buffer.from(`event: gap\nid: ${position}\ndata: {"after":${after},"upTo":${upTo}}\n\n`)
    },

    encodeCloseNotice: (reason) => Buffer.from(closeNotice(reason, retryField(retryMs, random)))
  }
}

/**
 * The whole stream for a client that cannot be taken right now, a close notice: a browser reconnects after the end of a
 * stream, and never after an HTTP error (section 9.2.3).
 *
 * @param retryMs The least time before the client reconnects; less than twice as much, at random.
 * @param after The position that the client has named, which the event repeats: some clients take the id of each event
 *   for their position, and would lose it.
 */
export function refusalStream (code: string, retryMs: number, after?: Offset): string {
  return closeNotice(code, retryField(retryMs, Math.random) + (after === undefined ? '' : `id: ${after}\n`))
}

/** The field with the time before a client reconnects: at least `leastMs` and less than twice as much. */
function retryField (leastMs: number, random: () => number): string {
  return `retry: ${Math.round(leastMs * (1 + random()))}\n`
}

/** The last event of a stream. */
function closeNotice (reason: string, fields: string): string {
  return `event: goodbye\n${fields}${dataLines(reason)}\n`
}

/** The fields of an event with this payload, and the empty line that ends the event. */
function event ({ kind, data }: Payload): string {
  return kind === 'binary' ? `event: binary\ndata: ${toBase64(data)}\n\n` : `${dataLines(data)}\n`
}

/**
 * A text as `data:` fields, one for each line, so that no text can end the event early. The parser removes one space
 * after the colon, so each field has one.
 */
function dataLines (text: string): string {
  return text.split(LINE_END).map((line) => `data: ${line}\n`).join('')
}
