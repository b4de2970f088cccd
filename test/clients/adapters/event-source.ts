import { EVENTS, parameters, print } from './output.ts'

/** What the versions of `eventsource` have in common. */
interface Source {
  addEventListener (type: string, listener: (event: { data: string, lastEventId: string }) => void): void
}

/** Prints the events of an `EventSource`. The header with the token is the way of a version to send one. */
export function printEvents (open: (url: string, token: string) => Source): void {
  const { origin, token } = parameters()
  const source = open(`${origin}/admin/events`, token)
  for (const name of EVENTS) {
    source.addEventListener(name, ({ data, lastEventId }) => { print(name, data, lastEventId) })
  }
}

/** A `fetch` that adds the token: the way of versions 3 and 4 to send headers. */
export function fetchWith (token: string): typeof fetch {
  return (url, options) => fetch(url, { ...options, headers: { ...options?.headers, authorization: `Bearer ${token}` } })
}
