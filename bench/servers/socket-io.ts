// Socket.IO over WebSocket only, as `io.emit` sends it.
import { createServer, type Server as HttpServer } from 'node:http'
import { listen } from './listen.ts'
import { options } from './options.ts'
import { serve } from './serve.ts'

interface SocketIo {
  Server: new (server: HttpServer, options: object) => { emit: (event: string, text: string) => boolean }
}

// Not named in the import statement: the package is in bench/node_modules only, and the type check must pass without
// it.
const name: string = 'socket.io'
const { Server } = await import(name) as SocketIo

const http = createServer()
const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false, serveClient: false, ...options })

serve({
  port: await listen(http),
  broadcast (text) {
    io.emit('m', text)
  }
})
