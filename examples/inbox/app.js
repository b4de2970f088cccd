// An inbox: Bob is away while things are said to him, and gets each once and in order when he comes back; the time after that,
// none of them. In between the hub is restarted, because its log is on disk. Tells the story and ends.
//
//   node examples/inbox/app.js
//
// PORT may be set in the environment; any free port will do. In a project of your own: examples/README.md.

import { randomBytes } from 'node:crypto'
import { on, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import fastifyHub, { createToken } from 'fastify-hub'
import { WebSocket } from 'ws'

const { PORT = '0' } = process.env
const auth = { secret: randomBytes(32).toString('base64url') }

// Ctrl+C ends the story early, but in order.
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())

const path = await mkdtemp(join(tmpdir(), 'hub-inbox-'))

let app
try {
  app = await startHub()
  console.log('Bob is away. Three letters are written to him:')
  let last
  for (const letter of ['letter 1', 'letter 2', 'letter 3']) {
    last = await app.hub.send({ user: 'bob' }, letter)
    console.log(`  ${letter}: stored ${last.stored}, for ${last.matched} connections`)
  }

  await app.close()
  app = await startHub()
  console.log(`The hub was restarted. In his inbox: ${await waiting()}`)

  console.log('Bob comes, and gets:')
  const first = await arrive()
  await acknowledged(first, last.offset)
  await leave(first)
  console.log(`Bob has gone. In his inbox: ${await waiting()}`)

  // The hub hands things out in the order in which they were said. What he gets before this was waiting for him.
  console.log('Bob comes again, is told that he is welcome, and gets:')
  const second = await arrive()
  const { offset } = await app.hub.send({ user: 'bob' }, 'welcome')
  await acknowledged(second, offset)
  await leave(second)
  console.log(`Bob has gone. In his inbox: ${await waiting()}`)
} catch (error) {
  if (!stop.signal.aborted) throw error
  console.log('The story ends early.')
} finally {
  await app?.close()
  await rm(path, { recursive: true, force: true })
}

async function startHub () {
  const hub = Fastify({ logger: { level: 'warn' } })
  await hub.register(fastifyHub, { path: '/live', auth, engine: { kind: 'lmdb', path } })
  await hub.listen({ port: Number(PORT), host: '127.0.0.1' })
  return hub
}

async function waiting () {
  return (await app.hub.inbox('bob')).count
}

// A plain WebSocket client, which prints what it gets. Resolves when the hub has greeted it.
async function arrive () {
  const socket = new WebSocket(`ws://127.0.0.1:${app.server.address().port}/live`, {
    headers: { authorization: `Bearer ${createToken(auth, { user: 'bob', ttlSeconds: 60 })}` }
  })
  socket.on('error', () => {}) // Whoever waits below is told. After Ctrl+C nobody waits any more.
  const pings = on(socket, 'ping', { close: ['close'], signal: stop.signal })
  socket.once('message', () => socket.on('message', (data) => console.log(`  ${data}`)))
  await once(socket, 'message', { signal: stop.signal })
  return { socket, pings }
}

// After a message from the inbox the hub sends a ping that ends with its offset. Every WebSocket library answers by itself, and
// that is the acknowledgement. Whoever leaves before it gets the message again: at least once is what an inbox promises.
async function acknowledged ({ pings }, offset) {
  for await (const [payload] of pings) {
    if (Number(String(payload).split(' ')[1]) >= offset) return
  }
  throw new Error('The connection ended before Bob had everything.')
}

async function leave ({ socket }) {
  socket.close(1000)
  await once(socket, 'close', { signal: stop.signal })
}
