/** A group of processes, such as a server and its load. */
interface Startable {
  start: () => Promise<unknown>
  stop: () => Promise<unknown>
}

/** Starts all groups, measures, and ends them, also after an error. */
export async function running<S extends Startable, T> (all: S[], measure: (all: S[]) => Promise<T>): Promise<T> {
  try {
    await Promise.all(all.map((one) => one.start()))
    return await measure(all)
  } finally {
    await Promise.all(all.map((one) => one.stop()))
  }
}
