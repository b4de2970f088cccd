/** Clients of every scenario that is not about their number. */
export const CLIENTS = 1000

/** How many messages are sent in one go. */
export const IN_FLIGHT = [1, 16, 64] as const
