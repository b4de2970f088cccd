import { createRequire } from 'node:module'
import { printEvents } from './event-source.ts'

// The package has no types.
const EventSource = createRequire(import.meta.url)('eventsource-2') as new (
  url: string, options: { headers: Record<string, string> }
) => ReturnType<Parameters<typeof printEvents>[0]>

printEvents((url, token) => new EventSource(url, { headers: { authorization: `Bearer ${token}` } }))
