import { execFile } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { LMDB_OPTIONS } from './store.ts'

/** Where lmdb's file says that it is one, and how large its pages are; it says so on its first two pages. */
const MAGIC = { value: 0xBEEFC0DE, at: 24 }
const PAGE_BYTES_AT = 48
/** Less than a program may take to start: what has been sound for so long is likely to be so to the end. */
const CHECK_TIMEOUT_MS = 8000

/**
 * What is obviously wrong with an lmdb file, in a few words; null when nothing is. lmdb does not survive to open a file
 * that is no lmdb file, or only the beginning of one.
 */
export function obviousDamage (path: string): string | null {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return null
  }
  try {
    const { size } = fstatSync(file)
    if (size === 0) return null
    const head = Buffer.alloc(64)
    readSync(file, head, 0, head.length, 0)
    const pageBytes = head.readUInt32LE(PAGE_BYTES_AT)
    if (head.readUInt32LE(MAGIC.at) !== MAGIC.value || pageBytes < 256 || pageBytes > 65_536) return 'it is not a file of lmdb'
    if (size < 2 * pageBytes) return 'it has been cut off'
    readSync(file, head, 0, head.length, pageBytes)
    return head.readUInt32LE(MAGIC.at) === MAGIC.value ? null : 'it is not a file of lmdb'
  } finally {
    closeSync(file)
  }
}

/**
 * Reads a whole store in a process of its own, because a damaged one may end it. Answers what is wrong with it, or null. The
 * order of the keys is checked as well, so that pages which lead in a circle come to an end.
 */
export function hiddenDamage (folder: string): Promise<string | null> {
  const lmdb = createRequire(import.meta.url).resolve('lmdb')
  const options = { timeout: CHECK_TIMEOUT_MS, env: { ...process.env, NODE_OPTIONS: '' } }
  return new Promise((resolve) => {
    execFile(process.execPath, ['-e', CHECK, lmdb, JSON.stringify({ path: folder, ...LMDB_OPTIONS })], options, (error, stdout) => {
      if (stdout.startsWith(SOUND) || error?.killed === true) resolve(null)
      else resolve(error?.signal == null ? 'it cannot be read' : `reading it ends the process with ${error.signal}`)
    })
  })
}

const SOUND = 'sound'
const CHECK = `
  const { statSync } = require('node:fs')
  const { open } = require(process.argv[1])
  const options = JSON.parse(process.argv[2])
  const db = open(options)
  const { pageSize, lastPageNumber } = db.getStats()
  if (statSync(options.path + '/data.mdb').size < pageSize * (lastPageNumber + 1)) throw new Error('cut off')
  let last = Buffer.alloc(0)
  for (const { key, value } of db.getRange({})) {
    if (Buffer.compare(last, key) >= 0 || value === undefined) throw new Error('out of order')
    last = key
  }
  console.log('${SOUND}')
`
