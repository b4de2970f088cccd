// uWebSockets: every client subscribes to one topic, and `publish` sends to the topic.
import { createRequire } from 'node:module'
import { uwsBinary } from '../rig/setup/uws-binary.ts'
import { serve } from './serve.ts'

interface WebSocket { subscribe: (topic: string) => boolean }
interface App {
  ws: (pattern: string, behavior: { maxBackpressure: number, open: (socket: WebSocket) => void }) => App
  listen: (host: string, port: number, listening: (socket: object | false) => void) => App
  publish: (topic: string, text: string) => boolean
}
interface UWebSockets {
  App: () => App
  us_socket_local_port: (socket: object) => number
}

const topic = 'all'
const { App, us_socket_local_port: localPort } = createRequire(import.meta.url)(uwsBinary) as UWebSockets

const app = App().ws('/*', {
  // Unlimited, like the other loops: with a limit it would drop messages that a client has not read yet.
  maxBackpressure: 0,
  open: (socket) => { socket.subscribe(topic) }
})

app.listen('127.0.0.1', 0, (socket) => {
  if (socket === false) throw new Error('uWebSockets found no free port.')
  serve({
    port: localPort(socket),
    broadcast (text) {
      app.publish(topic, text)
    }
  })
})
