#!/bin/sh
# Pushes from a shell: tells everyone that something was sold, and one user that it is on its way. Prints the two receipts.
#
#   sh examples/backend-push/push.sh
#
# It wants TOKEN, and HUB unless that is http://127.0.0.1:3000; app.js prints both. The number of the order may follow.
# It needs curl 7.76 or later.
set -eu

if [ -z "${TOKEN:-}" ]; then
  echo 'TOKEN is not set. Start app.js, which is beside this file: it prints the line that sets it.' >&2
  exit 1
fi
HUB=${HUB:-http://127.0.0.1:3000}
ORDER=${1:-4711}

# push PATH BODY: prints the receipt, or why there is none.
# The key is made of what has happened, not of chance: whoever sends it again, because the answer got lost, says it only once.
# That is why curl may --retry.
push () {
  answer=$(curl --silent --show-error --fail-with-body --max-time 10 --retry 3 "$HUB$1" \
    -H "authorization: Bearer $TOKEN" \
    -H 'content-type: application/json' \
    -H "idempotency-key: order-$ORDER" \
    --data "$2") || { printf 'Not pushed to %s. %s\n' "$HUB$1" "$answer" >&2; exit 1; }
  printf '%s\n' "$answer"
}

# A shell does not quote for JSON. For words that others have chosen, make the body with jq.
push /broadcast "{\"message\":{\"sold\":\"$ORDER\"}}"
push /users/bob/messages "{\"message\":\"Your order $ORDER is on its way.\"}"
