#!/usr/bin/env python3
"""Writes a receipt for an order, and publishes that it did."""

import json
import os
import subprocess
import sys


def refuse(why):
    """It can never work: a dead letter at once."""
    print(why, file=sys.stderr)
    sys.exit(65)


def later(why):
    """It may work later: a retry."""
    print(why, file=sys.stderr)
    sys.exit(75)


order = json.load(sys.stdin)
total = order.get("total") if isinstance(order, dict) else None
if isinstance(total, bool) or not isinstance(total, (int, float)) or total <= 0:
    refuse("the order has no total")
receipts, seq = os.environ["RECEIPTS"], os.environ["EVS_SEQ"]
if not os.path.isdir(receipts):
    later(f"there is no folder {receipts} yet")
# The seq is the same in each delivery of an event: doing it twice makes one receipt.
file = os.path.join(receipts, f"{seq}.txt")
try:
    with open(file, "w", encoding="utf-8") as output:
        output.write(f"total {total}\n")
except OSError as error:
    later(str(error))
# The id makes it one event, too. What caused it, evs knows.
receipt = json.dumps({"file": file})
publish = ["evs", "publish", "receipts", "receipt.written", receipt]
published = subprocess.run([*publish, "--id", f"receipt-{seq}", "--quiet"])
if published.returncode != 0:
    later(f"evs publish ended with {published.returncode}")
