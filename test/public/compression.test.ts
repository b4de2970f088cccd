import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { browserMissing, openPage } from '../support/browser.ts'
import { Random } from '../soak/random.ts'
import { GREETING, listen, token, until } from '../support/helper.ts'

const WORDS = ['Grüße', 'naïve', '你好', '世界', '🎉', '👩‍👩‍👧', 'Ελλάδα', '"quoted\\"', '\n', '\u2028']
const COUNT = 200
/** A kibibyte of JSON, and much more of everything else. */
const THRESHOLD = 1024

/** What a page does with a socket of its own; strings, because they run in the browser. Bytes travel between page and test as hex. */
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

/** A page that is connected to a service, and the service's end of its socket. */
async function scene (t: Test, enabled: boolean) {
  const service = await listen(t, { websocket: { maxMessageSize: '1MiB', messagesPerSecond: 0, compression: { enabled, threshold: THRESHOLD } } })
  const { page, problems } = await openPage(t, service.origin)
  const upgraded = once(service.app.server, 'upgrade') as Promise<[unknown, Socket]>
  const extensions = await page.evaluate<string>(PAGE.connect(token()))
  const [, socket] = await upgraded
  return { ...service, page, problems, socket, extensions }
}

/** Several KB of JSON that names things in many scripts. */
function catalogue (n: number): object {
  return { n, items: Array.from({ length: 40 + n % 60 }, (_, id) => ({ id, name: `${WORDS[id % WORDS.length]} ${id}`, price: id * 1.5, tags: WORDS.slice(0, id % 4) })) }
}

/** Messages of every kind: JSON, text and bytes, small and large, and bytes that nothing makes smaller. */
function messages (): Array<object | string | Uint8Array> {
  const random = new Random(1)
  return Array.from({ length: COUNT }, (_, n) => {
    if (n % 50 === 7) return `${n} ${WORDS.join(' ').repeat(3000)}`
    if (n % 50 === 8) return Uint8Array.from({ length: 70_000 }, () => random.between(0, 255))
    if (n % 5 === 1) return `${n} ${WORDS.join('')}`
    if (n % 5 === 2) return `${n} ${WORDS.join(' ').repeat(random.between(10, 100))}`
    if (n % 5 === 3) return Uint8Array.from({ length: random.between(1, 9000) }, (_, at) => (at * n) % 256)
    return catalogue(n)
  })
}

/** How a message shall arrive in the page. */
function expected (message: object | string | Uint8Array): unknown {
  if (message instanceof Uint8Array) return { hex: Buffer.from(message).toString('hex') }
  return typeof message === 'string' ? message : JSON.stringify(message)
}

function bytesOf (message: object | string | Uint8Array): number {
  return message instanceof Uint8Array ? message.length : Buffer.byteLength(typeof message === 'string' ? message : JSON.stringify(message))
}

t.test('a browser', { skip: browserMissing() }, async (t) => {
  await t.test('agrees on compression, and reads everything unchanged and in order', async (t) => {
    const { app, page, problems, socket, extensions } = await scene(t, true)
    t.match(extensions, /^permessage-deflate/)
    const said = messages()
    const before = socket.bytesWritten
    const sent: Array<Promise<unknown>> = []
    for (const [n, message] of said.entries()) {
      sent.push(app.hub.broadcast(message))
      if (n % 10 === 0) await sent.at(-1)
    }
    await Promise.all(sent)
    await until(async () => await page.evaluate(PAGE.count) === COUNT + 1, 'all messages in the page')
    t.same(await page.evaluate(PAGE.got), [GREETING, ...said.map(expected)])

    const incompressible = said.filter((message) => message instanceof Uint8Array && message.length === 70_000)
    const [plain, rest] = [sum(said) - sum(incompressible), socket.bytesWritten - before - sum(incompressible)]
    t.ok(rest > 0 && rest < plain / 3, `${rest} bytes of the network for ${plain} bytes of messages`)
    t.same(problems, [], 'the page complains of nothing')
  })

  await t.test('compresses what it says, and the service reads it', async (t) => {
    const { app, page, problems, socket } = await scene(t, true)
    const heard: Array<string | Buffer> = []
    app.hub.onMessage((client, data) => {
      heard.push(data)
      client.reply(data)
    })
    const text = JSON.stringify(Array.from({ length: 20 }, (_, n) => catalogue(n)))
    const bytes = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, at) => at % 251))
    const before = socket.bytesRead
    await page.evaluate(PAGE.sendText(text))
    await page.evaluate(PAGE.sendBytes(bytes.toString('hex')))
    await page.evaluate(PAGE.sendText('short'))
    await until(async () => await page.evaluate(PAGE.count) === 4, 'the replies in the page')
    t.same(heard, [text, bytes, 'short'])
    t.same(await page.evaluate(PAGE.got), [GREETING, text, expected(bytes), 'short'])
    const [plain, read] = [Buffer.byteLength(text) + bytes.length, socket.bytesRead - before]
    t.ok(read > 0 && read < plain / 3, `${read} bytes of the network for ${plain} bytes of messages`)
    t.same(problems, [], 'the page complains of nothing')
  })

  await t.test('is not spoken to in compressed frames when that is switched off', async (t) => {
    const { app, page, problems, socket, extensions } = await scene(t, false)
    t.equal(extensions, '')
    const said = messages().slice(0, 20)
    const before = socket.bytesWritten
    for (const message of said) await app.hub.broadcast(message)
    await until(async () => await page.evaluate(PAGE.count) === said.length + 1, 'all messages in the page')
    t.same(await page.evaluate(PAGE.got), [GREETING, ...said.map(expected)])
    t.ok(socket.bytesWritten - before > sum(said))
    t.same(problems, [], 'the page complains of nothing')
  })
})

function sum (messages: ReadonlyArray<object | string | Uint8Array>): number {
  return messages.reduce<number>((total, message) => total + bytesOf(message), 0)
}
