import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, rmSync, symlinkSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { HubError } from '../../model/errors.ts'

const OWNER = /^owner-(\d+)-[0-9a-f]{8}\.sock$/
/** The longest path of a socket, in bytes, on any system: 103 on macOS, 107 on Linux. */
const MAX_PATH = 103
/** How often a folder that is in use is tried, and how long to wait in between: whoever uses it may be about to end. */
const ATTEMPTS = 5
const WAIT_MS = 200

/**
 * Keeps a folder to one process, and to one owner within it. Each owner listens on a Unix socket of its own in the folder,
 * named by its process, and then looks for others. The kernel answers for whoever listens, so an owner counts for exactly
 * as long as its process lives: a name that nobody answers under is left over and is removed, whoever has its process id
 * by now. It works across containers as well, where process ids mean nothing. Everybody is there before looking, so of
 * two that come together at least one sees the other; it makes way and tries again.
 */
export class FolderLock {
  readonly #server: Server
  readonly #path: string

  private constructor (server: Server, path: string) {
    this.#server = server
    this.#path = path
  }

  /** Throws HUB_STORE_FAILED when somebody else uses the folder. */
  static async take (folder: string): Promise<FolderLock> {
    for (let attempt = 1; ; attempt++) {
      const lock = await FolderLock.#listen(folder)
      const owner = await lock.#otherOwner(folder)
      if (owner === null) return lock
      await lock.release()
      if (attempt === ATTEMPTS) throw inUse(folder, owner)
      await wait(WAIT_MS * (0.5 + Math.random()))
    }
  }

  async release (): Promise<void> {
    if (this.#server.listening) {
      this.#server.close()
      await once(this.#server, 'close')
    }
    rmSync(this.#path, { force: true })
  }

  static async #listen (folder: string): Promise<FolderLock> {
    const name = `owner-${process.pid}-${randomBytes(4).toString('hex')}.sock`
    const server = createServer((socket) => { socket.destroy() })
    try {
      await withShortPath(folder, name, async (path) => {
        // Exclusive: the socket of a worker of node:cluster would belong to another process.
        server.listen({ path, exclusive: true })
        await once(server, 'listening')
      })
    } catch (cause) {
      throw new HubError('HUB_STORE_FAILED', `The folder ${folder} cannot be locked (${String(cause)}); it must be on a local disk, writable, and allow Unix sockets.`, { cause })
    }
    server.unref()
    // Somebody who asked could not be answered; it must not end the process.
    server.on('error', () => {})
    return new FolderLock(server, join(folder, name))
  }

  /** The process of somebody else who uses the folder; null when there is nobody. */
  async #otherOwner (folder: string): Promise<number | null> {
    for (const name of readdirSync(folder)) {
      const pid = OWNER.exec(name)?.[1]
      const path = join(folder, name)
      if (pid === undefined || path === this.#path) continue
      if (await withShortPath(folder, name, isAnswered)) return Number(pid)
      rmSync(path, { force: true })
    }
    return null
  }
}

/** Whether anybody listens on a socket. When that cannot be told, somebody does. */
async function isAnswered (path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    return code !== 'ECONNREFUSED' && code !== 'ENOENT'
  } finally {
    socket.destroy()
  }
}

/** Does something with the path of a socket, by way of a link when the path itself is too long for one. */
async function withShortPath<T> (folder: string, name: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = join(folder, name)
  if (Buffer.byteLength(path) <= MAX_PATH) return use(path)
  const link = join(tmpdir(), `hub-${randomBytes(6).toString('hex')}`)
  symlinkSync(folder, link)
  try {
    return await use(join(link, name))
  } finally {
    rmSync(link)
  }
}

function inUse (folder: string, pid: number): HubError {
  const who = pid === process.pid ? 'this process already' : `process ${pid}`
  return new HubError('HUB_STORE_FAILED', `The folder ${folder} is in use by ${who}; end that first, or give this one a folder of its own with engine.path.`)
}
