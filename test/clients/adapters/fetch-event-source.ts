import { createRequire } from 'node:module'
import type { fetchEventSource as FetchEventSource } from '@microsoft/fetch-event-source'
import { parameters, print } from './output.ts'

// The package is for browsers: it uses these globals, and its modules do not load in Node.
Object.assign(globalThis, { window: globalThis, document: { addEventListener () {}, removeEventListener () {} } })
const packages = createRequire(import.meta.url)
const { fetchEventSource } = packages('@microsoft/fetch-event-source') as { fetchEventSource: typeof FetchEventSource }

const { origin, token } = parameters()
await fetchEventSource(`${origin}/admin/events`, {
  headers: { authorization: `Bearer ${token}` },
  openWhenHidden: true,
  onmessage: ({ event, data, id }) => { print(event, data, id) },
  // Without an error, the package does not reconnect after the end of a stream.
  onclose () { throw new Error('the stream has ended') }
})
