import { close, fdatasync, fsync, ftruncate, open, unlink, write } from 'node:fs'
import { promisify } from 'node:util'

/** The system calls of the journal. Tests pass implementations that fail. */
export interface Disk {
  open (path: string, flags: string, mode?: number): Promise<number>
  /** Resolves to the number of bytes written, which may be smaller than `length`. */
  write (fd: number, bytes: Buffer, from: number, length: number, position: number): Promise<number>
  fdatasync (fd: number): Promise<void>
  fsync (fd: number): Promise<void>
  ftruncate (fd: number, length: number): Promise<void>
  close (fd: number): Promise<void>
  unlink (path: string): Promise<void>
}

const writeLater = promisify(write)

/** The file system of Node, in its callback form: less work for each call than `fs.promises`. */
export const DISK: Disk = {
  open: promisify(open),
  write: async (fd, bytes, from, length, position) => {
    const { bytesWritten } = await writeLater(fd, bytes, from, length, position)
    return bytesWritten
  },
  fdatasync: promisify(fdatasync),
  fsync: promisify(fsync),
  ftruncate: promisify(ftruncate),
  close: promisify(close),
  unlink: promisify(unlink)
}

/** Makes new and removed names in a folder durable. */
export async function syncFolder (folder: string, disk: Disk): Promise<void> {
  // Windows cannot open folders, and its file system keeps names in a journal.
  if (process.platform === 'win32') return
  const fd = await disk.open(folder, 'r')
  try {
    await disk.fsync(fd)
  } finally {
    await disk.close(fd)
  }
}
