// Questions of the hub to all nodes, each with the merge of the nodes' results. `node-responder.ts` has the result of
// one node.
import type { Engine, Questions } from '../engine/engine.ts'
import { DEFAULT_PAGE, type ClientPage, type ClientQuery, type GroupPage, type GroupQuery } from '../model/info.ts'

/** Lists one page of the connections of all nodes, in the order of their ids: oldest first. */
export async function listClients (engine: Engine, query: ClientQuery): Promise<ClientPage> {
  const { limit = DEFAULT_PAGE, ...filter } = query
  // One client beyond the page shows whether there is a next page.
  const { answers } = await engine.ask('clients', { ...filter, limit: limit + 1 })
  const found = answers.flatMap((answer) => answer.clients).sort((a, b) => a.id < b.id ? -1 : 1)
  const clients = found.slice(0, limit)
  return {
    total: sum(answers.map((answer) => answer.total)),
    dropped: sum(answers.map((answer) => answer.dropped)),
    clients,
    next: found.length > limit ? clients.at(-1)?.id ?? null : null
  }
}

/** Lists one page of the groups of all nodes, by name, each with the sum of the nodes' members. */
export async function listGroups (engine: Engine, { after, limit = DEFAULT_PAGE }: GroupQuery): Promise<GroupPage> {
  const { answers } = await engine.ask('groups', { after, limit: limit + 1 })
  const members = new Map<string, number>()
  for (const { group, clients } of answers.flatMap((answer) => answer.groups)) {
    members.set(group, (members.get(group) ?? 0) + clients)
  }
  const found = [...members.keys()].sort()
  const groups = found.slice(0, limit)
  return {
    groups: groups.map((group) => ({ group, clients: members.get(group) ?? 0 })),
    next: found.length > limit ? groups.at(-1) ?? null : null
  }
}

/** Closes the connections at an address on all nodes. Resolves with the number of closed connections. */
export async function disconnectClients (engine: Engine, question: Questions['disconnect']): Promise<number> {
  const { answers } = await engine.ask('disconnect', question)
  return sum(answers.map(({ disconnected }) => disconnected))
}

function sum (numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
