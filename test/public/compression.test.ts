import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { browserMissing, openPage } from '../support/browser.ts'
import { Random } from '../support/random.ts'
import { GREETING, listen, token, until } from '../support/helper.ts'

const WORDS = ['Grüße', 'naïve', '你好', '世界', '🎉', '👩‍👩‍👧', 'Ελλάδα', '"quoted\\"', '\n', '\u2028']
const COUNT = 200
/** Minimum size of a compressed message, in bytes. */
const THRESHOLD = 1024

/** Scripts that use a socket of the page, as strings, because the browser runs them. Bytes are exchanged in hex. */
const PAGE = {
  connect: (bearer: string) => `new Promise((resolve, reject) => {
    window.got = []
    window.socket = new WebSocket(location.origin.replace('http', 'ws') + '/admin/ws', ['hub.raw', 'bearer.${bearer}'])
    socket.binaryType = 'arraybuffer'
    socket.onerror = () => reject(new Error('the connection failed'))
    socket.onopen = () => resolve(socket.extensions)
    socket.onmessage = ({ data }) => got.push(typeof data === 'string' ? data : { hex: Array.from(new Uint8Array(data), (byte) => byte.toString(16).padStart(2, '0')).join('') })
  })`,
  count: 'got.length',
  got: 'got',
  sendText: (text: string) => `socket.send(${JSON.stringify(text)})`,
  sendBytes: (hex: string) => `socket.send(Uint8Array.from('${hex}'.match(/../g), (byte) => parseInt(byte, 16)))`
}

/** Connects a page to a service. Returns the page, the service, and the socket of the service. */
async function connectPage (t: Test, enabled: boolean) {
  const service = await listen(t, { websocket: { maxMessageSize: '1MiB', messagesPerSecond: 0, compression: { enabled, threshold: THRESHOLD } } })
  const { page, problems } = await openPage(t, service.origin)
  const upgraded = once(service.app.websocketServer, 'connection') as Promise<[unknown, IncomingMessage]>
  const extensions = await page.evaluate<string>(PAGE.connect(token()))
  const [, { socket }] = await upgraded
  return { ...service, page, problems, socket, extensions }
}

/** Returns several KB of JSON with text in many scripts. */
function jsonMessage (n: number): object {
  return { n, items: Array.from({ length: 40 + n % 60 }, (_, id) => ({ id, name: `${WORDS[id % WORDS.length]} ${id}`, price: id * 1.5, tags: WORDS.slice(0, id % 4) })) }
}

/** Messages of every kind: JSON, text and bytes, small and large, and random bytes that cannot be compressed. */
function messages (): Array<object | string | Uint8Array> {
  const random = new Random(1)
  return Array.from({ length: COUNT }, (_, n) => {
    if (n % 50 === 7) return `${n} ${WORDS.join(' ').repeat(3000)}`
    if (n % 50 === 8) return Uint8Array.from({ length: 70_000 }, () => random.between(0, 255))
    if (n % 5 === 1) return `${n} ${WORDS.join('')}`
    if (n % 5 === 2) return `${n} ${WORDS.join(' ').repeat(random.between(10, 100))}`
    if (n % 5 === 3) return Uint8Array.from({ length: random.between(1, 9000) }, (_, at) => (at * n) % 256)
    return jsonMessage(n)
  })
}

/** Returns a message as the page receives it. */
function expected (message: object | string | Uint8Array): unknown {
  if (message instanceof Uint8Array) return { hex: Buffer.from(message).toString('hex') }
  return typeof message === 'string' ? message : JSON.stringify(message)
}

function bytesOf (message: object | string | Uint8Array): number {
  return message instanceof Uint8Array ? message.length : Buffer.byteLength(typeof message === 'string' ? message : JSON.stringify(message))
}

t.test('a browser', { skip: browserMissing() }, async (t) => {
  await t.test('negotiates compression, and reads every message unchanged and in order', async (t) => {
    const { app, page, problems, socket, extensions } = await connectPage(t, true)
    t.match(extensions, /^permessage-deflate/)
    const sentMessages = messages()
    const before = socket.bytesWritten
    const sent: Array<Promise<unknown>> = []
    for (const [n, message] of sentMessages.entries()) {
      sent.push(app.hub.broadcast(message))
      if (n % 10 === 0) await sent.at(-1)
    }
    await Promise.all(sent)
    await until(async () => await page.evaluate(PAGE.count) === COUNT + 1, 'all messages in the page')
    t.same(await page.evaluate(PAGE.got), [GREETING, ...sentMessages.map(expected)])

    const incompressible = sentMessages.filter((message) => message instanceof Uint8Array && message.length === 70_000)
    const [plain, rest] = [sum(sentMessages) - sum(incompressible), socket.bytesWritten - before - sum(incompressible)]
    t.ok(rest > 0 && rest < plain / 3, `${rest} bytes on the network for ${plain} bytes of messages`)
    t.same(problems, [], 'the page reports no problem')
  })

  await t.test('compresses its messages, and the service reads them', async (t) => {
    const { app, page, problems, socket } = await connectPage(t, true)
    const received: Array<string | Buffer> = []
    app.hub.onMessage((client, data) => {
      received.push(data)
      client.reply(data)
    })
    const text = JSON.stringify(Array.from({ length: 20 }, (_, n) => jsonMessage(n)))
    const bytes = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, at) => at % 251))
    const before = socket.bytesRead
    await page.evaluate(PAGE.sendText(text))
    await page.evaluate(PAGE.sendBytes(bytes.toString('hex')))
    await page.evaluate(PAGE.sendText('short'))
    await until(async () => await page.evaluate(PAGE.count) === 4, 'the replies in the page')
    t.same(received, [text, bytes, 'short'])
    t.same(await page.evaluate(PAGE.got), [GREETING, text, expected(bytes), 'short'])
    const [plain, read] = [Buffer.byteLength(text) + bytes.length, socket.bytesRead - before]
    t.ok(read > 0 && read < plain / 3, `${read} bytes on the network for ${plain} bytes of messages`)
    t.same(problems, [], 'the page reports no problem')
  })

  await t.test('receives no compressed frames when compression is off', async (t) => {
    const { app, page, problems, socket, extensions } = await connectPage(t, false)
    t.equal(extensions, '')
    const sentMessages = messages().slice(0, 20)
    const before = socket.bytesWritten
    for (const message of sentMessages) await app.hub.broadcast(message)
    await until(async () => await page.evaluate(PAGE.count) === sentMessages.length + 1, 'all messages in the page')
    t.same(await page.evaluate(PAGE.got), [GREETING, ...sentMessages.map(expected)])
    t.ok(socket.bytesWritten - before > sum(sentMessages))
    t.same(problems, [], 'the page reports no problem')
  })
})

function sum (messages: ReadonlyArray<object | string | Uint8Array>): number {
  return messages.reduce<number>((total, message) => total + bytesOf(message), 0)
}
