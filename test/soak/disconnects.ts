import { once } from 'node:events'
import { connect } from 'node:net'
import { token } from '../support/helper.ts'
import { frame, handshake, OPCODE, rawConnect, type RawClient } from '../support/raw-client.ts'
import type { Random } from '../support/random.ts'

const TEXT = frame({ opcode: OPCODE.text, payload: 'x'.repeat(1000) })
const CLOSE = frame({ opcode: OPCODE.close, payload: Buffer.of(0x03, 0xe8) })

/** Kinds of disconnects, by name. Each opens a connection of its own and resolves when this connection has ended. */
export const DISCONNECTS: Readonly<Record<string, (port: number, random: Random) => Promise<void>>> = {
  async 'close handshake' (port, random) {
    const client = await connectAndRead(port, random)
    client.send(CLOSE)
    const { code } = await client.closed()
    if (code !== 1000) throw new Error(`the service answered a close frame with ${code}`)
  },

  async 'half-close' (port, random) {
    const client = await connectAndRead(port, random)
    client.end()
    await client.closed()
  },

  async 'destroy the socket' (port, random) {
    (await connectAndRead(port, random)).destroy()
  },

  async reset (port, random) {
    (await connectAndRead(port, random)).reset()
  },

  async 'disconnect in the middle of a frame' (port, random) {
    const client = await connectAndRead(port, random)
    client.send(TEXT.subarray(0, random.between(1, TEXT.length - 1)))
    if (random.next() < 0.5) client.end()
    else client.destroy()
    await client.closed()
  },

  async 'disconnect before the first read' (port) {
    (await rawConnect({ port, token: token({ user: 'churn' }) })).destroy()
  },

  /** Aborts in the middle of the request, or while the response is in flight. */
  async 'abort the handshake' (port, random) {
    const request = handshake({ token: token({ user: 'churn' }) })
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.on('error', () => {}) // The service may close the connection first.
    await once(socket, 'connect')
    const closed = once(socket, 'close')
    socket.write(request.slice(0, random.pick(request.length, random.between(1, request.length))), () => {
      if (random.next() < 0.5) socket.resetAndDestroy()
      else socket.destroy()
    })
    await closed
  }
}

/** Connects a client that never reads again. */
export async function connectFrozen (port: number, user: string): Promise<RawClient> {
  const client = await rawConnect({ port, token: token({ user }) })
  client.pause()
  return client
}

async function connectAndRead (port: number, random: Random): Promise<RawClient> {
  const client = await rawConnect({ port, token: token({ user: 'churn' }) })
  for (let frames = random.between(1, 12); frames > 0; frames--) await client.next()
  return client
}
