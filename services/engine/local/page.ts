import { payloadBytes, type Message, type Offset } from '../../model/message.ts'
import type { Page, PageLimit } from '../store.ts'
import { Heap } from './collections/heap.ts'

/** The messages of one address, in the order of their offsets; each message is loaded when the iterator reaches it. */
export type MessageIterator = Iterator<Message, unknown>

/** An iterator with its next message. */
interface Head {
  readonly iterator: MessageIterator
  next: Message
}

/**
 * Merges the messages of several addresses by offset into one page. Loads the messages of the page, and at most one
 * more for each address.
 *
 * @param head The `upTo` of a page that reaches the end of every iterator.
 */
export function takePage (iterators: readonly MessageIterator[], limit: PageLimit, head: Offset): Omit<Page, 'gapUpTo'> {
  const heap = new Heap<Head>(({ next }) => next.offset)
  const messages: Message[] = []
  let bytes = 0
  try {
    for (const iterator of iterators) {
      const { done, value } = iterator.next()
      if (done !== true) heap.push({ iterator, next: value })
    }
    for (let first = heap.first; first !== undefined; first = heap.first) {
      const last = messages.at(-1)?.offset
      // Two iterators of the same address yield each message twice.
      if (first.next.offset === last) {
        advance(heap, first)
        continue
      }
      bytes += payloadBytes(first.next.payload)
      const isFull = messages.length >= limit.messages || bytes > limit.bytes
      if (last !== undefined && isFull) return { messages, upTo: last }
      messages.push(first.next)
      advance(heap, first)
    }
    return { messages, upTo: head }
  } finally {
    for (const iterator of iterators) iterator.return?.()
  }
}

function advance (heap: Heap<Head>, first: Head): void {
  const { done, value } = first.iterator.next()
  if (done === true) heap.shift()
  else {
    first.next = value
    heap.settleFirst()
  }
}
