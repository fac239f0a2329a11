#!/bin/sh
# The handler of demo/cluster.ts, run once for each event: notes what it was given, works for a
# moment, and refuses one order in 50 until the file `fixed` is there. $1: the node that runs it.
echo "$1 $EVS_KEY $EVS_SEQ" >>handled
sleep 0.02
[ $((EVS_SEQ % 50)) -ne 0 ] || [ -e fixed ] || { echo "no stock" >&2; exit 65; }
