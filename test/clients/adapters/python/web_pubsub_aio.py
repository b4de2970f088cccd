"""The asynchronous client of Azure Web PubSub."""
import asyncio

from azure.messaging.webpubsubclient.aio import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.models import CallbackType, WebPubSubDataType
from output import GROUP, ORIGIN, TOKEN, emit

URL = f"{ORIGIN.replace('http', 'ws', 1)}/admin/ws?token={TOKEN}"


async def receive(message):
    emit('', message.data, message.sequence_id)


async def url():
    return URL


async def main():
    client = WebPubSubClient(credential=WebPubSubClientCredential(url))
    await client.subscribe(CallbackType.SERVER_MESSAGE, receive)
    await client.subscribe(CallbackType.GROUP_MESSAGE, receive)
    await client.open()
    await client.join_group(GROUP)
    await client.send_to_group(GROUP, 'sent by the client', WebPubSubDataType.TEXT)
    emit('joined', GROUP)
    await asyncio.Event().wait()


asyncio.run(main())
