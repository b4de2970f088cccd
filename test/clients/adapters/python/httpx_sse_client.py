"""httpx-sse. The package parses a stream; an application reconnects itself, with the last id."""
import time

import httpx
from httpx_sse import connect_sse
from output import ORIGIN, TOKEN, emit

last_id, retry_s = '', 0.2
# Longer than websocket.pingPeriod: by default, httpx gives up after five seconds without a byte.
with httpx.Client(timeout=httpx.Timeout(10, read=60)) as client:
    while True:
        headers = {'Authorization': f'Bearer {TOKEN}'}
        if last_id:
            headers['Last-Event-ID'] = last_id
        try:
            with connect_sse(client, 'GET', f'{ORIGIN}/admin/events', headers=headers) as source:
                for event in source.iter_sse():
                    emit(event.event, event.data, event.id)
                    last_id = event.id
                    if event.retry is not None:
                        retry_s = event.retry / 1000
        except httpx.TransportError:
            pass  # The connection is lost, or the service is down.
        time.sleep(retry_s)
