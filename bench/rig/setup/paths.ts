/** The root of the repository, independent of the working directory. */
export const baseUrl = new URL('../../../', import.meta.url)
