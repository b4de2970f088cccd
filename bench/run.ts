// npm run bench [-- --quick] [--rounds N] [--only <peer or scenario>]… [--before <folder of another build>]
import { readFlags, type Plan } from './flags.ts'
import { chart } from './report/chart.ts'
import { writeDocs } from './report/docs.ts'
import { machine, versions } from './report/machine.ts'
import { report } from './report/report.ts'
import { writeResults, type Results } from './report/results.ts'
import { targetTable } from './report/targets.ts'
import { buildStamp } from './rig/setup/build.ts'
import { install } from './rig/setup/install.ts'
import { rowsOf } from './scenarios/scenario.ts'

install()
const plan = readFlags(process.argv.slice(2))
for (const sentence of plan.leftOut) print(sentence)
const build = buildStamp()
const results = await measure(plan)
const tables = report(results, plan.scenarios.map(({ scenario }) => scenario), plan.peers)
const targets = targetTable(results)
print(`\n${tables}\n\n${targets}\n`)
keep()

async function measure ({ command, effort, peers, scenarios, leftOut }: Plan): Promise<Results> {
  const results: Results = {
    date: new Date().toISOString(),
    command,
    seconds: 0,
    machine: machine(),
    versions: versions(peers),
    leftOut,
    effort,
    samples: {}
  }
  const most = Math.max(...scenarios.map(({ rounds }) => rounds))
  for (let round = 0; round < most; round++) {
    for (const { scenario, rounds } of scenarios) {
      const rows = rotated(rowsOf(scenario, peers), round)
      if (round >= rounds || rows.length === 0) continue
      print(`${seconds()} s: round ${round + 1} of ${rounds}: ${scenario.id}`)
      assertSameBuild()
      const found = await scenario.measure(rows, effort)
      const samples = (results.samples[scenario.id] ??= {})
      for (const [row, sample] of Object.entries(found)) (samples[row] ??= []).push(sample)
    }
  }
  assertSameBuild()
  return { ...results, seconds: seconds() }
}

// Each round starts with another item, so that no server profits from its position.
function rotated<T> (items: T[], by: number): T[] {
  const start = by % Math.max(1, items.length)
  return [...items.slice(start), ...items.slice(0, start)]
}

function assertSameBuild (): void {
  if (buildStamp() !== build) throw new Error('fastify-hub was compiled during the run: start the benchmark again, and do not change dist/ while it runs.')
}

function keep (): void {
  if (plan.fitFor === 'comparison') writeResults(results, 'quick')
  if (plan.fitFor !== 'documentation') return
  writeResults(results, 'latest')
  writeDocs(results, { targets, tables, chart: chart(results, plan.peers) })
}

function seconds (): number {
  return Math.round(performance.now() / 1000)
}

function print (line: string): void {
  process.stdout.write(`${line}\n`)
}
