/** The completion scripts in the shells that they are for. */
import assert from "node:assert/strict";
import { needTools, Place } from "../helpers/shell.ts";

Deno.test("zsh offers fixed words without a complaint when Tab is pressed", async () => {
  needTools("zsh");
  await using place = await Place.make();
  // The script as it is; only what zsh's line editor would do with the words prints them.
  const { code, stdout, stderr } = await place.sh(`cat >tab.zsh <<'END'
compdef() { }
compadd() { print -r -- "$@" }
source <(evs completions zsh)
words=(evs '') CURRENT=2
_evs
words=(evs topic '') CURRENT=3
_evs
END
zsh -f tab.zsh`);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  const [verbs, below] = stdout.split("\n");
  assert.match(verbs!, /^-- publish get tail /);
  assert.match(below!, /^-- create list show /);
});
