import { existsSync, readFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import type { Peer } from '../peers.ts'
import { baseUrl } from '../rig/setup/paths.ts'

/** The properties of the machine that readers need to judge the figures. */
export interface Machine {
  node: string
  platform: string
  cpu: string
  cores: number
  memoryGb: number
  /** Load average of the last minute before the benchmark began. */
  loadBefore: number
}

export function machine (): Machine {
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    loadBefore: Number((loadavg()[0] ?? 0).toFixed(2))
  }
}

/** Returns the versions of the measured packages, including fastify-hub. */
export function versions (peers: Peer[]): Record<string, string> {
  const found: Record<string, string> = { 'fastify-hub': version('package.json') }
  for (const name of peers.flatMap((peer) => peer.packages)) {
    const own = `bench/node_modules/${name}/package.json`
    found[name] = version(existsSync(new URL(own, baseUrl)) ? own : `node_modules/${name}/package.json`)
  }
  return found
}

function version (file: string): string {
  const { version } = JSON.parse(readFileSync(new URL(file, baseUrl), 'utf8')) as { version: string }
  return version
}
