# Publishes from Python, with its standard library alone: a sale to everyone, and the shipment to one user. Prints the
# two receipts.
#
#   python3 examples/backend-push/push.py
#
# TOKEN is required; HUB is http://127.0.0.1:3000 by default. app.js prints both. The argument is the order number
# (4712).

import json
import os
import sys
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

HUB = os.environ.get('HUB', 'http://127.0.0.1:3000')
TOKEN = os.environ.get('TOKEN') or sys.exit('TOKEN is not set. Start app.js, which is beside this file: it prints the line that sets it.')
order = sys.argv[1] if len(sys.argv) > 1 else '4712'


def push(path, message):
    # The key comes from the event, not from a random number: a repetition after a lost response publishes no second
    # message.
    headers = {'Authorization': f'Bearer {TOKEN}', 'Content-Type': 'application/json', 'Idempotency-Key': f'order-{order}'}
    body = json.dumps({'message': message}).encode()
    with urlopen(Request(HUB + path, body, headers), timeout=10) as answer:
        return answer.read().decode()


try:
    print(push('/broadcast', {'sold': order}))
    print(push(f'/users/{quote("bob", safe="")}/messages', f'Your order {order} is on its way.'))
except HTTPError as refusal:
    sys.exit(f'Not pushed to {refusal.url}. {refusal.read().decode()}')
except OSError as error:
    sys.exit(f'Not pushed, {HUB} cannot be reached. {error}')
