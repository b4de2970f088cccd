// Compiles and runs the tests: `node scripts/test.js [parts of paths]`, by default all. `!crash` leaves out the files with
// `crash` in their path. Prints one line a file, the details of failures, and as the last line `N passed, N failed`.
// Exits with 1 after a failure.
//
// Each file is a program that reports to its standard output, and runs in a process of its own without the runner of tap:
// with the hooks of that runner a process takes three times as long to start.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { availableParallelism } from 'node:os'
import { Parser } from 'tap-parser'
import { compileTests, sourcePaths } from './compile-tests.js'

/** Files that run at the same time: `TEST_JOBS`, by default one for each processor. */
const JOBS = Number(process.env.TEST_JOBS) || availableParallelism()
/** A file that takes longer has failed. A file may choose another limit with `t.setTimeout()`. */
const TIMEOUT_SECONDS = 180
/** After the limit, tap reports the open handles of the file. After this time, the process is killed. */
const GRACE_SECONDS = 10

const totals = { pass: 0, fail: 0, skip: 0 }
const children = new Set()
process.on('exit', () => { for (const child of children) child.kill('SIGKILL') })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

// Without its own build for the plugins in package.json, tap loads all of its plugins, and each file starts more slowly.
if (!existsSync('.tap/plugins')) {
  const { status } = spawnSync('npx', ['tap', 'build'], { stdio: 'ignore', shell: process.platform === 'win32' })
  if (status !== 0) print(`tap build has failed with ${status}: the tests start more slowly`)
}
const compiled = await compileTests()
const sources = [...compiled.keys()].filter(isWanted).sort((a, b) => rank(a) - rank(b))
for (const part of process.argv.slice(2)) {
  const isKnown = [...compiled.keys()].some((source) => source.includes(part.replace(/^!/, '')))
  if (!isKnown) fail({ fullname: `no test file matches ${part}` })
}
if (sources.length === 0) fail({ fullname: 'no test file is left to run' })
await Promise.all(Array.from({ length: JOBS }, async () => {
  for (let source = sources.shift(); source !== undefined; source = sources.shift()) await run(source)
}))
process.exitCode = totals.fail > 0 ? 1 : 0
print(`${totals.pass} passed, ${totals.fail} failed${totals.skip > 0 ? `, ${totals.skip} skipped` : ''}`)

/** Whether the arguments of the program choose a file. */
function isWanted (source) {
  const parts = process.argv.slice(2)
  const wanted = parts.filter((part) => !part.startsWith('!'))
  const unwanted = parts.filter((part) => part.startsWith('!')).map((part) => part.slice(1))
  const isNamed = wanted.length === 0 || wanted.some((part) => source.includes(part))
  return isNamed && !unwanted.some((part) => source.includes(part))
}

/** Programs, browsers and crowds take longest and start first, so that no processor is idle at the end. */
function rank (source) {
  return /^test\/(services|routes)\//.test(source) ? 1 : 0
}

/** Runs one file, and counts and prints the report of the file. */
async function run (source) {
  const start = performance.now()
  const child = spawn(process.execPath, ['--enable-source-maps', compiled.get(source)], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'], env: { ...process.env, TAP: '1', TAP_TIMEOUT: String(TIMEOUT_SECONDS) }
  })
  children.add(child)
  const exited = new Promise((resolve) => { child.on('exit', (code, signal) => resolve(signal ?? code)) })
  const lines = createInterface({ input: child.stdout })
  const parser = new Parser({ name: source })
  const cancelLimit = limit(child, lines, parser)
  let failures = 0
  const failed = (failure) => {
    failures++
    fail(failure)
  }
  parser.on('pass', () => { totals.pass++ })
  parser.on('skip', ({ fullname, skip }) => skipped(fullname, skip))
  parser.on('todo', ({ fullname, todo }) => skipped(fullname, `todo ${todo}`))
  parser.on('fail', failed)
  parser.on('bailout', (reason) => failed({ fullname: source, diag: { reason: `Bail out! ${reason}` } }))
  parser.on('extra', (text) => process.stdout.write(text))
  for await (const line of lines) parser.write(`${sourcePaths(line)}\n`)
  parser.end()
  const end = await exited
  cancelLimit()
  children.delete(child)

  // Failures without a failed assertion: a crash, a timeout, a report that ends in the middle, a file without tests.
  const { ok, count, plan, failures: reported } = parser.results ?? {}
  const reason = end !== 0 ? `the process ended with ${end}` : ok !== true ? 'the report is not complete' : undefined
  if (failures === 0 && reason !== undefined) failed({ fullname: source, diag: { reason, reported } })
  else if (failures === 0 && count === 0) {
    if (plan.skipAll && plan.skipReason !== 'no tests found') skipped(source, plan.skipReason)
    else failed({ fullname: source, diag: { reason: 'the file has no test' } })
  }
  print(`${failures === 0 ? 'ok   ' : 'FAIL '} ${source} (${Math.round(performance.now() - start)} ms)`)
}

/** Kills a process some time after its limit, and ends its report. Returns a function that cancels the limit. */
function limit (child, lines, parser) {
  let timer
  const restart = (ms) => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      child.kill('SIGKILL')
      // A child of the process may keep the pipe open.
      lines.close()
      child.stdout.destroy()
    }, ms + GRACE_SECONDS * 1000)
  }
  restart(TIMEOUT_SECONDS * 1000)
  // What `t.setTimeout()` of the whole file reports to a runner.
  child.on('message', ({ setTimeout: ms }) => {
    if (ms !== undefined) restart(ms)
  })
  return () => clearTimeout(timer)
}

function skipped (fullname, reason) {
  totals.skip++
  print(`skip  ${fullname}: ${reason}`)
}

/** Counts and prints a failure, without the source: `at` names its location. */
function fail ({ fullname, diag, tapError }) {
  totals.fail++
  const { source, ...details } = diag ?? { reason: tapError ?? 'failed' }
  const lines = Object.entries(details).map(([key, value]) => {
    const text = typeof value === 'string' ? value.trimEnd() : JSON.stringify(value)
    return text.includes('\n') ? `${key}:\n${text.replace(/^/gm, '  ')}` : `${key}: ${text}`
  })
  print(`not ok  ${fullname}\n${lines.join('\n').replace(/^(?=.)/gm, '        ')}`)
}

function print (text) {
  process.stdout.write(`${text}\n`)
}
