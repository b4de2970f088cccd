import { once } from 'node:events'
import { connect } from 'node:net'
import { token } from '../support/helper.ts'
import { frame, handshake, OPCODE, rawConnect, type RawClient } from '../support/raw-client.ts'
import type { Random } from './random.ts'

const TEXT = frame({ opcode: OPCODE.text, payload: 'x'.repeat(1000) })
const CLOSE = frame({ opcode: OPCODE.close, payload: Buffer.of(0x03, 0xe8) })

/** The ways in which clients leave, by name; each opens a connection of its own, and is done when the client is gone. */
export const DISCONNECTS: Readonly<Record<string, (port: number, random: Random) => Promise<void>>> = {
  async 'close in order' (port, random) {
    const client = await connectAndRead(port, random)
    client.send(CLOSE)
    const { code } = await client.closed()
    if (code !== 1000) throw new Error(`a client that said goodbye was answered with ${code}`)
  },

  async 'half-close' (port, random) {
    const client = await connectAndRead(port, random)
    client.end()
    await client.closed()
  },

  async vanish (port, random) {
    (await connectAndRead(port, random)).destroy()
  },

  async reset (port, random) {
    (await connectAndRead(port, random)).reset()
  },

  async 'leave in the middle of a frame' (port, random) {
    const client = await connectAndRead(port, random)
    client.send(TEXT.subarray(0, random.between(1, TEXT.length - 1)))
    if (random.next() < 0.5) client.end()
    else client.destroy()
    await client.closed()
  },

  async 'leave without reading anything' (port) {
    (await rawConnect({ port, token: token({ user: 'churn' }) })).destroy()
  },

  /** In the middle of the request, or with the answer on its way. */
  async 'abandon the handshake' (port, random) {
    const request = handshake({ token: token({ user: 'churn' }) })
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.on('error', () => {}) // The service may be the first to end it.
    await once(socket, 'connect')
    const closed = once(socket, 'close')
    socket.write(request.slice(0, random.pick(request.length, random.between(1, request.length))), () => {
      if (random.next() < 0.5) socket.resetAndDestroy()
      else socket.destroy()
    })
    await closed
  }
}

/** A client that has stopped reading for good. */
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
