import { execFile } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { LMDB_OPTIONS } from './file.ts'

/** The magic number of an lmdb file and the position of its page size; both of the first two pages hold them. */
const MAGIC = { value: 0xBEEFC0DE, at: 24 }
const PAGE_BYTES_AT = 48
/**
 * Shorter than the usual time limit for the start of a program. A store without damage up to this limit is likely to
 * have no damage at all, so a timeout counts as sound.
 */
const CHECK_TIMEOUT_MS = 8000

/**
 * Returns a short description of obvious damage to an lmdb file, or null. lmdb ends the process when it opens a file of
 * another format or a truncated file.
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
 * Reads a whole store in a child process, because a damaged store may end the process that reads it. Resolves to a
 * description of the damage, or null. The child also checks the order of the keys, so that a cycle of pages ends the
 * check.
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
