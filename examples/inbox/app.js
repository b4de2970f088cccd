// An inbox: Bob is offline while messages are sent to him. On his next connection he receives each message once and in
// order; on the connection after that, no message again. Meanwhile the hub restarts: its log is on disk. Prints
// each step and ends.
//
//   node examples/inbox/app.js
//
// The environment variable PORT sets the port; the default is any free port. To use it in a project of your own:
// examples/README.md.

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

// Ctrl+C ends the program early, and closes the hub.
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

  // The hub delivers messages in the order of their offsets. A message before this one would come from the inbox.
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
  await hub.register(fastifyHub, { path: '/live', auth, engine: { kind: 'file', path } })
  await hub.listen({ port: Number(PORT), host: '127.0.0.1' })
  return hub
}

async function waiting () {
  return (await app.hub.inbox('bob')).count
}

// A plain WebSocket client, which prints its messages. Resolves after the greeting of the hub.
async function arrive () {
  const socket = new WebSocket(`ws://127.0.0.1:${app.server.address().port}/live`, {
    headers: { authorization: `Bearer ${createToken(auth, { user: 'bob', ttlSeconds: 60 })}` }
  })
  socket.on('error', () => {}) // The promises below reject at an error. After Ctrl+C no promise is pending.
  const pings = on(socket, 'ping', { close: ['close'], signal: stop.signal })
  socket.once('message', () => socket.on('message', (data) => console.log(`  ${data}`)))
  await once(socket, 'message', { signal: stop.signal })
  return { socket, pings }
}

// After a message from the inbox, the hub sends a ping that ends with the offset of the message. Every WebSocket
// library answers with a pong by itself, which is the acknowledgement. A client that leaves earlier receives the
// message again: an inbox delivers at least once.
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
