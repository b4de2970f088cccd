import {
  WebPubSubClient, WebPubSubJsonProtocol, WebPubSubJsonReliableProtocol, type OnGroupDataMessageArgs,
  type OnServerDataMessageArgs
} from '@azure/web-pubsub-client'
import { parameters, print } from './output.ts'

const [, , , , , protocol] = process.argv
const { origin, token, group } = parameters()
const client = new WebPubSubClient({ getClientAccessUrl: async () => `${origin.replace('http', 'ws')}/admin/ws?token=${token}` }, {
  protocol: protocol === 'plain' ? WebPubSubJsonProtocol() : WebPubSubJsonReliableProtocol(),
  reconnectRetryOptions: { maxRetries: 1000, retryDelayInMs: 100, maxRetryDelayInMs: 200 }
})

function receive ({ message: { data, sequenceId } }: OnServerDataMessageArgs | OnGroupDataMessageArgs): void {
  if (data instanceof ArrayBuffer) print('binary', Buffer.from(data).toString('base64'), sequenceId)
  else print('', typeof data === 'string' ? data : JSON.stringify(data), sequenceId)
}

client.on('server-message', receive)
client.on('group-message', receive)
await client.start()
await client.joinGroup(group)
await client.sendToGroup(group, 'sent by the client', 'text')
print('joined', group)
