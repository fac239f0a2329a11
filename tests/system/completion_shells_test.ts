/** The completion scripts in their shells. */
import assert from "node:assert/strict";
import { type Shell, shells } from "../../commands/completion/scripts.ts";
import { type Pressed, pressTab } from "../helpers/press_tab.ts";
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

/** A type that a shell would execute, and one with a control sequence for terminals. */
const ODD = "odd $(touch pwned)`touch pwned` & 'it' \"is\" !#%*?[x]{a,b}<>|;~^\\:=@é";
const EVIL = "evil\x9b31m";

/** A daemon with events, a schema and a dead letter, and some files. */
async function prepared(): Promise<Place> {
  const place = await Place.make();
  await place.run(
    `evs daemon start 2>/dev/null
evs publish orders order.placed 1 >/dev/null
evs publish orders order.paid 2 --id billing:paid-1 >/dev/null
evs publish orders "$ODD" 3 >/dev/null
evs publish orders "$EVIL" 4 >/dev/null
evs publish users user.created 5 >/dev/null
echo '{}' | evs schema register known - >/dev/null
evs consume orders --name mailer --type order.paid --max-retries 0 --until-empty -- false >/dev/null 2>&1 || test $? = 6
: >order.json
: >'two words.json'
mkdir sub
: >sub/other.json`,
    { ODD, EVIL },
  );
  return place;
}

/** Lines, and the words offered for the last word of each. */
const LINES: readonly [line: string, ...words: string[]][] = [
  ["evs --v", "--version"],
  ["evs dlq re", "remove", "reopen", "resolve", "retry"],
  ["evs topic ", "create", "list", "remove", "show", "update"],
  ["evs consume orders --until", "--until-empty"],
  ["evs nosuch "],
  // Words of the documentation.
  ["evs docs conf", "configuration"],
  ["evs docs dlq re", "remove", "reopen", "resolve", "retry"],
  // Names from the daemon.
  ["evs publish ", "orders", "users"],
  ["evs topic show us", "users"],
  ["evs replay users --into or", "orders"],
  ["evs publish orders ", "known", ODD, "order.paid", "order.placed"],
  ["evs publish orders od", ODD],
  ["evs publish orders 'od", ODD],
  ["evs publish nosuch ", "known"],
  ["evs tail 'users' --type us", "user.created"],
  ["evs replay users orders --type order.", "order.paid", "order.placed"],
  ["evs tail orders --type=order.pl", "--type=order.placed"],
  ["evs tail or* --type ", "known"],
  ["evs schema show ", "known"],
  ["evs schema remove known --version ", "1.0"],
  ["evs schema register ", "known", "sub/"],
  ["evs subscription pause ", "mailer"],
  ["evs consume orders --name m", "mailer"],
  ["evs dlq list --type ", "order.paid"],
  ["evs dlq show ", "billing:paid-1"],
  ["evs dlq retry billing:", "billing:paid-1"],
  ["evs dlq edit billing:pa", "billing:paid-1"],
  ["evs dlq remove mailer:bil", "mailer:billing:paid-1"],
  ["evs dlq show 'billing:pa", "billing:paid-1"],
  // Fixed words.
  ["evs daemon start --store ", "file", "memory", "sqlite"],
  ["evs daemon start --store=f", "--store=file"],
  ["evs topic create t --durability ", "always", "interval:200ms", "os"],
  ["evs topic create t --durability interval:", "interval:200ms"],
  ["evs publish orders n --on-error ", "skip", "stop"],
  ["evs publish orders n --expect ", "any", "exists", "none"],
  ["evs replay t --from ", "-10", "@-1d", "@-1h", "@-5m", "@DATE", "end", "start"],
  ["evs replay t --to @-1", "@-1d", "@-1h"],
  ["evs subscription seek mailer st", "start"],
  // Files, only where a file is expected.
  ["evs publish orders n @or", "@order.json"],
  ["evs publish orders n @tw", "@two words.json"],
  ["evs publish orders n '@tw", "@two words.json"],
  ["evs publish orders n @sub/", "@sub/other.json"],
  ["evs publish orders n or", "or"],
  ["evs publish orders n --key "],
  ["evs publish orders n --key or", "or"],
  ["evs schema check known or", "order.json"],
  ["evs restore sub/", "sub/other.json"],
  ["evs schema diff known --with=or", "--with=order.json"],
  ["evs consume orders --name mailer -- cat or", "order.json"],
  ["evs topic show -- us", "users"],
  ["evs get orders "],
];

/**
 * What a shell offers for each line, sorted. On a machine that is busy the daemon may answer too
 * late for a Tab, so lines with another answer are typed again, a few times.
 */
async function pressAll(shell: Shell, place: Place): Promise<Pressed> {
  const ask = async (lines: readonly (readonly [line: string, ...words: string[]])[]) => {
    const typed = lines.map(([line, ...words]) => ({ line, several: words.length > 1 }));
    const { offered, screen } = await pressTab(shell, { place, lines: typed });
    const sorted = offered.map((words) =>
      words.map((word) => word.replace(/^@\d{4}-\d\d-\d\d$/, "@DATE")).toSorted()
    );
    return { offered: sorted, screen };
  };
  let { offered, screen } = await ask(LINES);
  for (let times = 0; times < 10; times++) {
    const wrong = LINES.flatMap(([, ...words], index) =>
      offered[index]!.join("\n") === words.toSorted().join("\n") ? [] : [index]
    );
    if (wrong.length === 0) break;
    const again = await ask(wrong.map((index) => LINES[index]!));
    for (const [n, index] of wrong.entries()) offered[index] = again.offered[n]!;
    screen += again.screen;
  }
  return { offered, screen };
}

Deno.test("every shell offers what may stand in a place, and quotes it, when Tab is pressed", async (t) => {
  needTools("script", ...shells);
  await using place = await prepared();
  const pressed = await Promise.all(shells.map((shell) => pressAll(shell, place)));
  for (const [index, { offered, screen }] of pressed.entries()) {
    await t.step(shells[index]!, () => {
      assert.deepEqual(
        LINES.map(([line], index) => [line, ...offered[index]!]),
        LINES.map(([line, ...words]) => [line, ...words.toSorted()]),
        JSON.stringify(screen),
      );
      assert.doesNotMatch(screen, /\x9b|not found|_evs|bash:|zsh:/);
    });
  }
  assert.equal(await place.run("ls pwned 2>/dev/null || echo none"), "none\n");
  await place.run("evs daemon stop 2>/dev/null");
});
