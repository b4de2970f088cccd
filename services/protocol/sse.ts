import type { Payload } from '../model/message.ts'
import type { Protocol } from './protocol.ts'

/** How Server-Sent Events are set up. */
export interface SseOptions {
  /** How long a client waits before it connects again, in whole ms. */
  readonly retryMs: number
}

/** Ends of lines in an event stream (WHATWG HTML section 9.2.5). */
const LINE_END = /\r\n|\r|\n/

/**
 * The protocol of Server-Sent Events (WHATWG HTML section 9.2): what is said is the data of a `message` event, whose id
 * is the offset; binary is base64 in a `binary` event. A client names the last id when it connects again
 * (`Last-Event-ID`). Its data has line feeds where the text had other ends of lines: the format cannot say more.
 */
export function createSse ({ retryMs }: SseOptions): Protocol {
  // The comment makes proxies pass the head of the response on, before there is anything to say.
  const greeting = Buffer.from(`retry: ${retryMs}\n\n: connected\n\n`)
  return {
    name: 'sse',
    acknowledgedBy: 'position',
    isResumable: false,
    ping: Buffer.from(':\n\n'),
    pong: null,

    encodeGreeting: () => greeting,

    /** A client has nothing to say on this connection. */
    decode: () => ({ kind: 'ignored' }),

    encode: ({ payload, offset }) => Buffer.from(`id: ${offset}\n${event(payload)}`),

    encodeReply: (payload) => Buffer.from(event(payload)),

    encodeResult: () => null,

    /**
     * Moves the position that the client will name: an id without data raises no event but counts (section 9.2.6).
     * It is not answered.
     */
    encodeProbe: (offset) => ({ bytes: Buffer.from(`id: ${offset}\n\n`), pong: '' }),

    /** Comes back with the position, which may be below the end of the gap: other messages lie between. */
    encodeGap: ({ after, upTo, position }) => Buffer.from(`event: gap\nid: ${position}\ndata: {"after":${after},"upTo":${upTo}}\n\n`),

    encodeCloseNotice: (reason) => Buffer.from(`event: goodbye\n${lines(reason)}\n`)
  }
}

/** The fields of an event, and the empty line that ends it. */
function event ({ kind, data }: Payload): string {
  if (kind !== 'binary') return `${lines(data)}\n`
  return `event: binary\ndata: ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')}\n\n`
}

/** Nothing in a text can end its line early. The parser takes one space off each, so one is always put there. */
function lines (text: string): string {
  return text.split(LINE_END).map((line) => `data: ${line}\n`).join('')
}
