import { HubError } from '../model/errors.ts'

/** The lifetime of an engine. */
export class Lifetime {
  #isOver = false

  /**
   * Checks that the engine is open.
   *
   * @throws {HubError} HUB_DRAINING when the engine is closed.
   */
  assertOpen (): void {
    if (this.#isOver) throw new HubError('HUB_DRAINING', 'The hub is closed; it takes no more messages.')
  }

  /** Closes the engine to callers. */
  end (): void {
    this.#isOver = true
  }
}
