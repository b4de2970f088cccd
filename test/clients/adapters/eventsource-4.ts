import { EventSource } from 'eventsource-4'
import { fetchWith, printEvents } from './event-source.ts'

printEvents((url, token) => new EventSource(url, { fetch: fetchWith(token) }))
