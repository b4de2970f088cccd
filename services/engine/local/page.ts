import { payloadBytes, type Message, type Offset } from '../../model/message.ts'
import type { Page, PageLimit, Source } from '../engine.ts'
import { Heap } from './heap.ts'

/** The messages of one address, in the order of their offsets; they are looked up as they are taken. */
export type MessageIterator = Iterator<Message, unknown>

interface Head {
  readonly source: MessageIterator
  next: Message
}

/**
 * One page from messages of several addresses, merged by offset. It costs as much as it returns, and one message more for
 * each address. `head` is how far everything has been read when nothing is left.
 */
export function takePage (sources: readonly MessageIterator[], { messages: maxMessages, bytes: maxBytes }: PageLimit, head: Offset): Omit<Page, 'gapUpTo'> {
  const heap = new Heap<Head>(({ next }) => next.offset)
  const messages: Message[] = []
  let bytes = 0
  try {
    for (const source of sources) {
      const { done, value } = source.next()
      if (done !== true) heap.push({ source, next: value })
    }
    for (let first = heap.first; first !== undefined; first = heap.first) {
      const last = messages.at(-1)?.offset
      // An address that was asked for twice is not read twice.
      if (first.next.offset === last) {
        advance(heap, first)
        continue
      }
      bytes += payloadBytes(first.next.payload)
      if (last !== undefined && (messages.length >= maxMessages || bytes > maxBytes)) return { messages, upTo: last }
      messages.push(first.next)
      advance(heap, first)
    }
    return { messages, upTo: head }
  } finally {
    for (const source of sources) source.return?.()
  }
}

/** Whether a reader comes with an offset of a log that has been lost. */
export function isFromBefore ({ after }: Source, origin: Offset): boolean {
  return after > 0 && after < origin
}

function advance (heap: Heap<Head>, first: Head): void {
  const { done, value } = first.source.next()
  if (done === true) heap.shift()
  else {
    first.next = value
    heap.settleFirst()
  }
}
