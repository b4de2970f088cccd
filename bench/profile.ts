// npm run bench:profile: prints the CPU time of fastify-hub by owner; writes no files.
import { peers, variant } from './peers.ts'
import { markdown } from './report/markdown.ts'
import { install } from './rig/setup/install.ts'
import { onStage, type Stage } from './rig/stage.ts'
import { postFor } from './scenarios/publish.ts'
import { CLIENTS } from './scenarios/usual.ts'
import type { Shares } from './servers/profiler.ts'

const FOR_MS = 4000

/** The profiled workloads: each is prepared first, then repeated for a while. */
const works = [
  { name: '1 in flight', prepare: crowd, again: (stage: Stage) => burst(stage, 1) },
  { name: '64 in flight', prepare: crowd, again: (stage: Stage) => burst(stage, 64) },
  { name: 'accepting', prepare: (stage: Stage) => stage.connect(2000), again: (stage: Stage) => stage.connect(1000) },
  { name: 'POST /broadcast', prepare: (stage: Stage) => stage.connect(1), again: (stage: Stage) => postFor(stage, FOR_MS / 2) }
]

install()
const [ours] = peers
if (ours === undefined) throw new Error('bench/peers.ts names no server.')
const found: Shares[] = []
for (const { prepare, again } of works) {
  found.push(await onStage(variant(ours, 'api', ours.name, { api: true }), async (stage) => {
    await prepare(stage)
    await again(stage)
    return stage.server.profile(async () => {
      for (const start = performance.now(); performance.now() - start < FOR_MS;) await again(stage)
    })
  }))
}

const owners = [...new Set(found.flatMap((shares) => Object.keys(shares)))]
const most = (owner: string): number => Math.max(...found.map((shares) => shares[owner] ?? 0))
const rows = owners.sort((a, b) => most(b) - most(a)).map((owner) => [owner, ...found.map((shares) => (shares[owner] ?? 0).toFixed(0))])
process.stdout.write(`${markdown([['% of the time of the main thread', ...works.map(({ name }) => name)], ...rows])}\n`)

async function crowd (stage: Stage): Promise<void> {
  await stage.connect(CLIENTS)
}

async function burst (stage: Stage, count: number): Promise<void> {
  await stage.expect(count)
  await stage.broadcast(count)
}
