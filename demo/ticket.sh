#!/bin/sh
# A handler: opens a ticket for a commit, in a ticket system that takes subjects of at most $1 characters.
# The payload comes on standard input; exit 0 means done, anything else means try again.
subject=$(sed -n 's/.*"subject":"\(.*\)".*/\1/p')
if [ "${#subject}" -gt "$1" ]; then
  echo "ticket refused: the subject has ${#subject} characters, and $1 is the most" >&2
  exit 1
fi
