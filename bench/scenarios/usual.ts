/** Clients of every scenario that is not about their number. */
export const CLIENTS = 1000

/** How many messages are sent in one go. */
export const IN_FLIGHT = [1, 16, 64] as const

/** Large messages that fill what the kernel takes for a connection, about 4 MB, before anything has to wait in the server. */
export const FILL = { messages: 128, inFlight: 8, bytes: 61_440 }

/** Has fastify-hub keep its log in the process. */
export const IN_MEMORY = { engine: { kind: 'memory' } }
