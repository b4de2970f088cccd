// Chromium's own EventSource and WebSocket: the adapter opens a page of the hub's origin and prints its events.
import { launchBrowser } from '../../support/browser.ts'
import { EVENTS, parameters, print } from './output.ts'

/** A page with an EventSource, which reconnects by itself. */
const eventSource = (token: string): string => `
  const source = new EventSource('/admin/events?token=${token}')
  for (const name of ${JSON.stringify(EVENTS)}) {
    source.addEventListener(name, ({ data, lastEventId }) => print(name, data, lastEventId))
  }
`

/** A page with a WebSocket: the complete client of docs/connections.md, with shorter delays. */
const webSocket = (token: string): string => `
  let hasSent = false
  function connect (attempt = 0) {
    const socket = new WebSocket(location.origin.replace('http', 'ws') + '/admin/ws', ['hub.raw', 'bearer.${token}'])
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => {
      attempt = 0
      if (!hasSent) socket.send('sent by the client')
      hasSent = true
    }
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') print('', data)
      else print('binary', btoa(String.fromCharCode(...new Uint8Array(data))))
    }
    socket.onclose = ({ code }) => {
      if ([1000, 1008, 1009, 4000, 4001].includes(code)) return print('closed', String(code))
      setTimeout(connect, Math.random() * Math.min(400, 100 * 2 ** attempt), attempt + 1)
    }
  }
  connect()
`

const [, , , , , kind] = process.argv
const { origin, token } = parameters()
const browser = await launchBrowser()
process.on('SIGTERM', () => { void browser.close() })
const page = await browser.newPage()
await page.exposeFunction('print', print)
await page.goto(`${origin}/healthz`)
await page.evaluate(`(() => { ${kind === 'websocket' ? webSocket(token) : eventSource(token)} })()`)
