import { connect } from 'node:net'

const END_OF_HEAD = Buffer.from('\r\n\r\n')
const shared = Buffer.allocUnsafeSlow(65_536)

/** Options of a repeated POST on several connections, with one request in flight on each. */
export interface Posting {
  port: number
  path: string
  token: string
  body: string
  connections: number
  forMs: number
}

/** Posts for the given time; resolves with the number of responses. Rejects on a status other than 202. */
export async function post (posting: Posting): Promise<number> {
  const until = performance.now() + posting.forMs
  const answers = await Promise.all(Array.from({ length: posting.connections }, () => postOnOne(posting, until)))
  return answers.reduce((all, one) => all + one, 0)
}

function postOnOne ({ port, path, token, body }: Posting, until: number): Promise<number> {
  const request = Buffer.from(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  return new Promise((resolve, reject) => {
    let answers = 0
    let rest: Buffer | undefined
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: shared, callback: read } })
    socket.on('error', reject)
    socket.on('close', () => resolve(answers))
    socket.write(request)

    function read (size: number): true {
      const bytes = rest === undefined ? shared.subarray(0, size) : Buffer.concat([rest, shared.subarray(0, size)])
      rest = isComplete(bytes) ? undefined : Buffer.from(bytes)
      if (rest === undefined) next(bytes)
      return true
    }

    function next (answer: Buffer): void {
      if (answer.toString('latin1', 9, 12) !== '202') return reject(new Error(`The server did not accept a request: ${answer.toString()}`))
      answers++
      if (performance.now() < until) socket.write(request)
      else socket.end()
    }
  })
}

function isComplete (answer: Buffer): boolean {
  const head = answer.indexOf(END_OF_HEAD)
  if (head < 0) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.toString('latin1', 0, head))?.[1]
  return answer.length >= head + END_OF_HEAD.length + Number(length ?? 0)
}
