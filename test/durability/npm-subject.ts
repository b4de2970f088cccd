import {
  WebPubSubClient, WebPubSubJsonProtocol, WebPubSubJsonReliableProtocol, type OnGroupDataMessageArgs,
  type OnServerDataMessageArgs
} from '@azure/web-pubsub-client'
import { token } from '../support/helper.ts'
import { addressesOf, newConnectionCounts, type Subject, type SubjectOptions } from './subject.ts'

/** The unmodified client of the published subprotocols: the package recovers and starts over by itself. */
export class NpmSubject implements Subject {
  readonly kind: 'npm reliable' | 'npm plain'
  readonly user: string
  readonly recorder: SubjectOptions['recorder']
  readonly link: SubjectOptions['link']
  readonly counts = newConnectionCounts()
  readonly #options: SubjectOptions & { readonly joins: readonly string[] }
  readonly #client: WebPubSubClient
  /** Groups that the package rejoins in every session, before its 'connected' event. */
  readonly #joined = new Set<string>()
  /** Ids of ended connections. */
  readonly #ended = new Set<string>()
  #isStopped = false

  constructor (kind: 'npm reliable' | 'npm plain', options: SubjectOptions & { readonly joins: readonly string[] }) {
    this.kind = kind
    this.user = options.user
    this.recorder = options.recorder
    this.link = options.link
    this.#options = options
    const protocol = kind === 'npm reliable' ? WebPubSubJsonReliableProtocol() : WebPubSubJsonProtocol()
    const client = new WebPubSubClient({ getClientAccessUrl: () => this.#url() }, {
      protocol,
      messageRetryOptions: { maxRetries: 1000, retryDelayInMs: 100 },
      // The timers of the package keep the process alive for this time after the end, or for a third of it.
      keepAliveIntervalInMs: 1000,
      keepAliveTimeoutInMs: 9000
    })
    this.#client = client
    client.on('server-message', ({ message }: OnServerDataMessageArgs) => { this.#record(message) })
    client.on('group-message', ({ message }: OnGroupDataMessageArgs) => { this.#record(message) })
    client.on('connected', ({ connectionId }) => { this.#onGreeting(connectionId) })
    client.on('disconnected', ({ connectionId }) => {
      if (connectionId !== undefined) {
        this.counts.startedOver++
        this.#ended.add(connectionId)
      }
      // Messages from here on belong to the next session, also those before its 'connected' event.
      this.recorder.beginSegment()
    })
    // The package does not retry.
    client.on('rejoin-group-failed', ({ group }) => { this.#join(group) })
    client.on('stopped', () => { if (!this.#isStopped) this.start() })
  }

  start (): void {
    this.#client.start().catch(() => { if (!this.#isStopped) setTimeout(() => { this.start() }, 200) })
  }

  stop (): void {
    this.#isStopped = true
    this.#client.stop()
    this.link.cut()
  }

  async #url (): Promise<string> {
    // The package ignores stop() without a connection, and would reconnect for ever.
    if (this.#isStopped) return new Promise(() => {})
    const { device, link: { port }, user } = this.#options
    const claims = { user, roles: ['webpubsub.joinLeaveGroup'] }
    return `ws://127.0.0.1:${port}/admin/ws?token=${token(claims)}${device === '' ? '' : `&device=${device}`}`
  }

  #onGreeting (id: string): void {
    // The package emits 'connected' late, even after other connections, when a cut interrupts the rejoining of groups.
    if (this.#ended.has(id)) return
    this.counts.opened++
    this.recorder.subscribed(...addressesOf(this.#options), ...[...this.#joined].map((group) => `group:${group}`))
    this.#options.crashTrigger.reach('greeted')
    if (this.counts.opened === 1) for (const group of this.#options.joins) this.#join(group)
  }

  #join (group: string): void {
    this.#joined.delete(group)
    this.#client.joinGroup(group).then(() => {
      this.#joined.add(group)
      this.recorder.subscribed(`group:${group}`)
      this.#options.crashTrigger.reach('joined')
    }, () => { if (!this.#isStopped) this.recorder.addFault(`could not join ${group}`) })
  }

  #record ({ data, sequenceId }: { readonly data: unknown, readonly sequenceId?: number }): void {
    this.recorder.record(String(data), sequenceId ?? null)
  }
}
