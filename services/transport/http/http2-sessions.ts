import type { Server } from 'node:http'
import type { Http2Session } from 'node:http2'

/**
 * The HTTP/2 sessions of a server. Clients keep a session open behind its last stream, and an open session keeps a
 * server from closing.
 */
export class Http2Sessions {
  readonly #open = new Set<Http2Session>()

  /** @param server The server of the application. A server of HTTP/1 has no sessions. */
  constructor (server: Server) {
    server.on('session', (session: Http2Session) => {
      this.#open.add(session)
      session.once('close', () => { this.#open.delete(session) })
    })
  }

  /** Closes all sessions: streams that are open may end within `graceMs`, then their session is destroyed. */
  close (graceMs: number): void {
    if (this.#open.size === 0) return
    for (const session of this.#open) session.close()
    setTimeout(() => {
      for (const session of this.#open) session.destroy()
    }, graceMs).unref()
  }
}
