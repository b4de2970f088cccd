// Runs the tests: `node scripts/test.js [arguments of tap]`. Prints one line a file, the details of failures, and as
// the last line `N passed, N failed` with tap's own counts. Exits with tap's exit code.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const TAP = fileURLToPath(new URL('../node_modules/.bin/tap', import.meta.url))
// tap's report as events, one JSON array a line. The last option wins over a reporter among the arguments.
const REPORT = ['--no-color', '--reporter=jsonstream']

const totals = { pass: 0, fail: 0, skip: 0 }
const failed = []
let isComplete = false

/** Counts and prints each event of the report. */
const events = {
  pass () { totals.pass++ },
  skip ({ fullname, skip }) {
    totals.skip++
    print(`skip  ${fullname}: ${String(skip)}`)
  },
  fail (point) { fail(point) },
  end ({ level, bailout, ...point }) {
    if (level === 0) {
      isComplete = true
      if (typeof bailout === 'string') fail({ fullname: 'tap', diag: `Bail out! ${bailout}` })
      return
    }
    // A test without assertions counts as one.
    if (point.ok && point.tests === 0) totals[point.skip === undefined ? 'pass' : 'skip']++
    // A failed test without a failed assertion: a crash, a timeout or an unfulfilled plan.
    if (!point.ok && !failed.some((name) => name.startsWith(`${point.fullname} > `))) fail(point)
    if (level === 1) print(`${point.ok ? 'ok   ' : 'FAIL '} ${point.fullname} (${Math.round(point.time ?? 0)} ms)`)
  },
  extra (text) { process.stdout.write(text) }
}

const tap = spawn(TAP, ['run', ...process.argv.slice(2), ...REPORT], { stdio: ['inherit', 'pipe', 'inherit'] })
process.on('SIGTERM', () => tap.kill())
createInterface({ input: tap.stdout }).on('line', report)
tap.on('close', (code) => {
  if (!isComplete) Object.assign(totals, { pass: 0, fail: 1, skip: 0 })
  // An error exit of tap itself is a failure, and so is a run without tests.
  const isEmpty = totals.pass + totals.fail + totals.skip === 0
  if (totals.fail === 0 && (code !== 0 || isEmpty)) totals.fail = 1
  process.exitCode = totals.fail > 0 ? code || 1 : 0
  print(`${totals.pass} passed, ${totals.fail} failed${totals.skip > 0 ? `, ${totals.skip} skipped` : ''}`)
})

function report (line) {
  const [name, data] = parse(line) ?? []
  if (name === undefined) print(line)
  else if (Object.hasOwn(events, name)) events[name](data)
}

function parse (line) {
  try {
    const event = JSON.parse(line)
    return Array.isArray(event) ? event : undefined
  } catch {
    return undefined // Other output of a test or of tap.
  }
}

function fail ({ fullname, diag }) {
  totals.fail++
  failed.push(fullname)
  const details = typeof diag === 'string' ? diag : describe(diag ?? {})
  print(`not ok  ${fullname}\n${details.replace(/^(?=.)/gm, '        ')}`)
}

/** Formats diagnostics, without the source: `at` names its location. */
function describe ({ source, args, cwd, command, externalID, stdio, ...diag }) {
  return Object.entries(diag).map(([key, value]) => {
    const text = typeof value === 'string' ? value.trimEnd() : JSON.stringify(value)
    return text.includes('\n') ? `${key}:\n${text.replace(/^/gm, '  ')}` : `${key}: ${text}`
  }).join('\n')
}

function print (text) {
  process.stdout.write(`${text}\n`)
}
