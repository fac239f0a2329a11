#!/usr/bin/env bash
# Writes a receipt for an order, and publishes that it did. Needs jq.
set -uo pipefail
command -v jq >/dev/null || exit 127 # the event is not to blame: the subscription pauses

refuse() { # It can never work: a dead letter at once.
  echo "$1" >&2
  exit 65
}
later() { # It may work later: a retry.
  echo "$1" >&2
  exit 75
}

total=$(jq -er '.total | numbers | select(. > 0)') || refuse "the order has no total"
[ -d "$RECEIPTS" ] || later "there is no folder $RECEIPTS yet"
# The seq is the same in each delivery of an event: doing it twice makes one receipt.
file="$RECEIPTS/$EVS_SEQ.txt"
echo "total $total" >"$file" || later "$file cannot be written"
# The id makes it one event, too. What caused it, evs knows.
receipt=$(jq -cn --arg file "$file" '{file: $file}')
evs publish receipts receipt.written "$receipt" --id "receipt-$EVS_SEQ" --quiet ||
  later "evs publish ended with $?"
