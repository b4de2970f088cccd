import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, rmSync, symlinkSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { HubError } from '../../../model/errors.ts'

const OWNER = /^owner-(\d+)-[0-9a-f]{8}\.sock$/
/** The longest path of a socket, in bytes, on any system: 103 on macOS, 107 on Linux. */
const MAX_PATH = 103
/**
 * Attempts to lock a folder in use, and the average wait between two attempts: the current owner may be about to exit.
 */
const ATTEMPTS = 5
const WAIT_MS = 200

/**
 * Limits a folder to one process, and to one owner within this process. Each owner listens on a Unix socket of its own
 * in the folder, named by its process id, and then looks for other owners. The kernel accepts connections on behalf of
 * a listening owner, so an owner counts for exactly the lifetime of its process. A socket without a listener is stale
 * and is removed, even when another process has its process id by now. The lock also works across containers, where
 * process ids are not comparable. Each owner listens before looking for others, so of two concurrent owners at least
 * one sees the other; that owner releases the folder and retries.
 */
export class FolderLock {
  readonly #server: Server
  readonly #path: string

  private constructor (server: Server, path: string) {
    this.#server = server
    this.#path = path
  }

  /** Locks a folder. Throws HUB_STORE_FAILED when another owner uses the folder. */
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
    // An error while accepting the connection of another owner must not end the process.
    server.on('error', () => {})
    return new FolderLock(server, join(folder, name))
  }

  /** Returns the process id of another owner of the folder; null without another owner. Removes stale sockets. */
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

/** Returns whether a process listens on a socket. An inconclusive error counts as a listener. */
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

/** Calls `use` with the path of a socket, or with a path through a symbolic link when the path exceeds MAX_PATH. */
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
