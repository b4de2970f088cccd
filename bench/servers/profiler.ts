import { Session, type Profiler as Inspected } from 'node:inspector/promises'

/** Shares of the main thread's busy time by owner of the code, in percent. */
export type Shares = Record<string, number>

/** Samples the CPU time of this process. */
export class Profiler {
  readonly #session = new Session()

  async start (): Promise<void> {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.setSamplingInterval', { interval: 200 })
    await this.#session.post('Profiler.start')
  }

  async stop (): Promise<Shares> {
    const { profile } = await this.#session.post('Profiler.stop')
    this.#session.disconnect()
    return sharesOf(profile)
  }
}

function sharesOf ({ nodes, samples = [], timeDeltas = [] }: Inspected.Profile): Shares {
  const owners = new Map(nodes.map(({ id, callFrame }) => [id, ownerOf(callFrame)]))
  const times: Shares = {}
  let all = 0
  for (const [at, id] of samples.entries()) {
    const owner = owners.get(id) ?? null
    const time = timeDeltas[at] ?? 0
    if (owner === null) continue
    times[owner] = (times[owner] ?? 0) + time
    all += time
  }
  return Object.fromEntries(Object.entries(times).map(([owner, time]) => [owner, time / all * 100]))
}

/** Returns the owner of a call frame; null for idle time. */
function ownerOf ({ functionName, url }: Inspected.Profile['nodes'][number]['callFrame']): string | null {
  if (functionName === '(idle)') return null
  if (/^write(v|Buffer|Utf8String|Latin1String)$/.test(functionName)) return 'the operating system writes'
  if (functionName === '(garbage collector)') return 'garbage collection'
  const [, library] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? []
  if (library !== undefined) return LIBRARIES.get(library) ?? 'other libraries'
  if (url.startsWith('node:') || url === '') return 'Node'
  return url.includes('/bench/') ? 'the benchmark' : 'fastify-hub'
}

const LIBRARIES = new Map([['ws', 'ws and @fastify/websocket'], ['@fastify/websocket', 'ws and @fastify/websocket'], ['fastify', 'Fastify'], ['find-my-way', 'Fastify'], ['fast-jwt', 'fast-jwt']])
