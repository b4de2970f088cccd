// The usual first implementation: ws alone, and a loop over its clients.
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { listen } from './listen.ts'
import { options } from './options.ts'
import { serve } from './serve.ts'

const http = createServer()
const server = new WebSocketServer({ server: http, perMessageDeflate: false, ...options })

serve({
  port: await listen(http),
  broadcast (text) {
    for (const client of server.clients) client.send(text)
  }
})
