/** The default number of clients in a scenario. */
export const CLIENTS = 1000

/** The numbers of messages that are sent in one burst. */
export const IN_FLIGHT = [1, 16, 64] as const

/**
 * Large messages that fill the kernel's buffers of a connection, about 4 MB, so that the server has to queue further
 * messages.
 */
export const FILL = { messages: 128, inFlight: 8, bytes: 61_440 }

/** Makes fastify-hub keep its log in memory. */
export const IN_MEMORY = { engine: { kind: 'memory' } }
