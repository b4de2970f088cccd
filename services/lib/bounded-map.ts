/** Deletes the entries that were put into a Map first, until no more than `max` are left. */
export function trimOldest<K> (map: Map<K, unknown>, max: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= max) return
    map.delete(oldest)
  }
}
