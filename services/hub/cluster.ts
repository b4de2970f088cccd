import { DEFAULT_PAGE, type ClientPage, type ClientQuery, type GroupPage, type GroupQuery } from '../model/info.ts'
import type { Engine } from '../engine/engine.ts'

/** Connections of all nodes, oldest first. */
export async function listClients (engine: Engine, { limit = DEFAULT_PAGE, ...query }: ClientQuery): Promise<ClientPage> {
  // One more than asked for tells whether there is a next page.
  const { answers } = await engine.ask('clients', { ...query, limit: limit + 1 })
  const found = answers.flatMap((answer) => answer.clients).sort((a, b) => a.id < b.id ? -1 : 1)
  const clients = found.slice(0, limit)
  const [total, dropped] = [sum(answers.map((answer) => answer.total)), sum(answers.map((answer) => answer.dropped))]
  return { total, dropped, clients, next: found.length > limit ? clients.at(-1)?.id ?? null : null }
}

/** Groups of all nodes, by name. */
export async function listGroups (engine: Engine, { after, limit = DEFAULT_PAGE }: GroupQuery): Promise<GroupPage> {
  const { answers } = await engine.ask('groups', { after, limit: limit + 1 })
  const members = new Map<string, number>()
  for (const { group, clients } of answers.flatMap((answer) => answer.groups)) members.set(group, (members.get(group) ?? 0) + clients)
  const found = [...members.keys()].sort()
  const groups = found.slice(0, limit)
  return { groups: groups.map((group) => ({ group, clients: members.get(group) ?? 0 })), next: found.length > limit ? groups.at(-1) ?? null : null }
}

function sum (numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
