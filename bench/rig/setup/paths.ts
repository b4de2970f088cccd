/** The repository, whichever directory the benchmark is started from. */
export const baseUrl = new URL('../../../', import.meta.url)
