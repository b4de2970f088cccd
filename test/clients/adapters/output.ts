/** What an adapter prints for each event of its library: one JSON object a line. */
export interface Line {
  /** Name of the event; '' for a message, `binary` for a message of bytes in base64. */
  readonly event: string
  readonly data: string
  /** Position in the log, where the library passes it on. */
  readonly id?: number | string | undefined
}

/** Prints an event. */
export function print (event: string, data: string, id?: number | string): void {
  process.stdout.write(`${JSON.stringify({ event: event === 'message' ? '' : event, data, id } satisfies Partial<Line>)}\n`)
}

/** The arguments of an adapter: the origin of the hub, a token, and the group that a client of groups joins. */
export function parameters (): { origin: string, token: string, group: string } {
  const [, , origin = '', token = '', group = ''] = process.argv
  return { origin, token, group }
}

/** The names of all events that the hub sends over Server-Sent Events. */
export const EVENTS = ['message', 'binary', 'position', 'gap', 'goodbye'] as const
