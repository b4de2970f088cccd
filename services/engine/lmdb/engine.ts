import { Engine } from '../engine.ts'
import { Lifetime } from '../lifetime.ts'
import { LocalBus } from '../local/bus.ts'
import { LocalOrder } from '../local/order.ts'
import type { Retention } from '../local/retention.ts'
import { openFolder } from './folder.ts'
import { LmdbState } from './state.ts'
import { LmdbStore, type LmdbPlace } from './store.ts'

/**
 * Opens an engine on an lmdb file. Moves a damaged file aside and begins empty. Rejects with HUB_STORE_FAILED when the
 * folder is in use or unusable.
 */
export async function openLmdbEngine (retention: Retention, place: LmdbPlace): Promise<Engine> {
  const { now = Date.now } = retention
  const folder = await openFolder(place.path, place.log, now)
  const lifetime = new Lifetime()
  const store = new LmdbStore(folder, retention, place)
  return new Engine({
    order: new LocalOrder(folder.origin, folder.lease),
    store,
    state: new LmdbState({
      store: folder.store,
      writer: store.writer,
      now,
      using: (read) => {
        lifetime.assertOpen()
        return store.using(read)
      }
    }),
    bus: new LocalBus(lifetime),
    lifetime,
    now
  })
}
