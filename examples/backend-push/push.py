# Pushes from Python, with nothing but its standard library: tells everyone that something was sold, and one user that it is
# on its way. Prints the two receipts.
#
#   python3 examples/backend-push/push.py
#
# It wants TOKEN, and HUB unless that is http://127.0.0.1:3000; app.js prints both. The number of the order may follow.

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
    # The key is made of what has happened, not of chance: whoever sends it again, because the answer got lost, says it only once.
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
