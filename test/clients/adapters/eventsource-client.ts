import { createEventSource } from 'eventsource-client'
import { parameters, print } from './output.ts'

const { origin, token } = parameters()
createEventSource({
  url: `${origin}/admin/events`,
  headers: { authorization: `Bearer ${token}` },
  onMessage: ({ event = '', data, id }) => { print(event, data, id) }
})
