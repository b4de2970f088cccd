#!/bin/sh
# Publishes from a shell: a sale to everyone, and the shipment to one user. Prints the two receipts.
#
#   sh examples/backend-push/push.sh
#
# TOKEN is required; HUB is http://127.0.0.1:3000 by default. app.js prints both. The argument is the order number
# (4711). Requires curl 7.76 or later.
set -eu

if [ -z "${TOKEN:-}" ]; then
  echo 'TOKEN is not set. Start app.js, which is beside this file: it prints the line that sets it.' >&2
  exit 1
fi
HUB=${HUB:-http://127.0.0.1:3000}
ORDER=${1:-4711}

# push PATH BODY: prints the receipt, or the reason of the failure. The key comes from the event, not from a random
# number: a repetition after a lost response publishes no second message. So curl may --retry.
push () {
  answer=$(curl --silent --show-error --fail-with-body --max-time 10 --retry 3 "$HUB$1" \
    -H "authorization: Bearer $TOKEN" \
    -H 'content-type: application/json' \
    -H "idempotency-key: order-$ORDER" \
    --data "$2") || { printf 'Not pushed to %s. %s\n' "$HUB$1" "$answer" >&2; exit 1; }
  printf '%s\n' "$answer"
}

# A shell does not quote for JSON. For text from outside, make the body with jq.
push /broadcast "{\"message\":{\"sold\":\"$ORDER\"}}"
push /users/bob/messages "{\"message\":\"Your order $ORDER is on its way.\"}"
