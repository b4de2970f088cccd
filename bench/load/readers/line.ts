import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A relay between one reader and the server; its connection can be cut without the server noticing. */
export class Line {
  readonly #serverPort: number
  readonly #relay = createServer((near) => this.#connect(near))
  #goDead = (): void => {}

  constructor (serverPort: number) {
    this.#serverPort = serverPort
  }

  /** Resolves with the port that the reader connects to. */
  async open (): Promise<number> {
    this.#relay.listen({ port: 0, host: '127.0.0.1' })
    await once(this.#relay, 'listening')
    return (this.#relay.address() as AddressInfo).port
  }

  /** Cuts the reader's connection; the server's connection stays open and is not read any more. */
  goDead (): void {
    this.#goDead()
  }

  #connect (near: Socket): void {
    const far = connect({ port: this.#serverPort, host: '127.0.0.1', noDelay: true })
    let isDead = false
    near.setNoDelay()
    near.on('error', () => {}) // The close event follows.
    far.on('error', () => {})
    near.on('close', () => { if (!isDead) far.destroy() })
    far.on('close', () => near.destroy())
    near.pipe(far, { end: false })
    far.pipe(near, { end: false })
    this.#goDead = () => {
      isDead = true
      far.unpipe().pause()
      near.destroy()
    }
  }
}
