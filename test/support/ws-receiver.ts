import * as ws from 'ws'

// Exported by `ws`, missing in its types.
const { Receiver, PerMessageDeflate } = ws as unknown as {
  Receiver: new (options: { isServer: boolean, extensions: Record<string, unknown> }) => NodeJS.WritableStream
  PerMessageDeflate: { new (options: { isServer: boolean }): { accept: (offers: object[]) => void }, extensionName: string }
}

/** A message that a WebSocket client received: text as a string, binary as bytes. */
export interface Received {
  readonly data: string | Buffer
  readonly isBinary: boolean
}

/** Parses bytes with the client receiver of the `ws` library. Pings and Close frames are returned as text. */
export function receive (bytes: Buffer, receiver = newReceiver()): Received[] {
  const messages: Received[] = []
  receiver.on('message', (data: Buffer, isBinary: boolean) => messages.push({ data: isBinary ? data : data.toString(), isBinary }))
  receiver.on('ping', (data: Buffer) => messages.push({ data: `ping ${data.toString()}`, isBinary: false }))
  receiver.on('conclude', (code: number, reason: Buffer) => messages.push({ data: `close ${code} ${reason.toString()}`, isBinary: false }))
  receiver.write(bytes)
  return messages
}

/** Parses bytes of one message, which may be compressed. */
export async function receiveOne (bytes: Buffer): Promise<string> {
  const receiver = newReceiver()
  const message = new Promise<Buffer>((resolve) => receiver.on('message', resolve))
  receiver.write(bytes)
  return (await message).toString()
}

/** Whether the header of a frame marks the payload as compressed (RFC 7692 section 6). */
export function isCompressed (frame: Buffer): boolean {
  return ((frame[0] ?? 0) & 0x40) !== 0
}

/** The receiver of a `ws` client that negotiated permessage-deflate. */
export function newReceiver (): NodeJS.WritableStream {
  const deflate = new PerMessageDeflate({ isServer: false })
  deflate.accept([{ server_no_context_takeover: [true] }])
  return new Receiver({ isServer: false, extensions: { [PerMessageDeflate.extensionName]: deflate } })
}
