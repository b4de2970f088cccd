"""The synchronous client of Azure Web PubSub. It calls a handler in a thread of its own for each message."""
import threading

from azure.messaging.webpubsubclient import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.models import CallbackType, WebPubSubDataType
from output import GROUP, ORIGIN, TOKEN, emit

url = f"{ORIGIN.replace('http', 'ws', 1)}/admin/ws?token={TOKEN}"
# When a connection is refused at once, the package misses it and waits for the whole start_timeout. The default of 30
# seconds is also the time after which it stops resuming.
client = WebPubSubClient(credential=WebPubSubClientCredential(lambda: url), start_timeout=1)


def receive(message):
    emit('', message.data, message.sequence_id)


client.subscribe(CallbackType.SERVER_MESSAGE, receive)
client.subscribe(CallbackType.GROUP_MESSAGE, receive)
client.open()
client.join_group(GROUP)
client.send_to_group(GROUP, 'sent by the client', WebPubSubDataType.TEXT)
emit('joined', GROUP)
threading.Event().wait()
