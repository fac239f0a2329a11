/** What is printed for copying is what a shell takes for the same words, whatever is in them. */
import assert from "node:assert/strict";
import { shellQuote, typedAgain } from "../../../core/base/shell_quote.ts";
import fc from "../../packages/fast_check.ts";

/** What a POSIX shell makes of a command line. */
async function wordsOf(line: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("sh", {
    args: [
      "-c",
      `for word in ${line}; do printf '%s\\n' "$word" | od -An -v -tx1 | tr -d ' \\n'; echo; done`,
    ],
    env: { HOME: "/home/somebody" },
  }).output();
  return new TextDecoder().decode(stdout).trim().split("\n").map((hex) =>
    new TextDecoder().decode(Uint8Array.fromHex(hex)).slice(0, -1)
  );
}

const HARD = [
  "",
  " ",
  "a b",
  "'",
  "''",
  "it's",
  '"',
  "\\",
  "\\'",
  "$HOME",
  "$(id)",
  "`id`",
  "~",
  "*",
  "?",
  "[a]",
  "{a,b}",
  ";",
  "&",
  "|",
  "<",
  ">",
  "#",
  "!",
  "a\nb",
  "a\tb",
  "(",
  ")",
  "^",
  "-n",
  "ü",
  "\u202e",
];

Deno.test("shellQuote gives a shell exactly the words, whatever is in them", async () => {
  assert.deepEqual(await wordsOf(HARD.map(shellQuote).join(" ")), HARD);
  // Several words for one shell: to start one takes longest.
  const word = fc.string({ unit: fc.constantFrom(...HARD.join(""), "a", "é") });
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 20 }), async (words) => {
      assert.deepEqual(await wordsOf(words.map(shellQuote).join(" ")), words);
    }),
    { numRuns: 10 },
  );
});

Deno.test("shellQuote leaves a word as it is when a shell does, too", () => {
  for (const word of ["orders", "a.b-c_d", "@-1h", "key=value", "/a/b", "1,2", "50%", "a:b+c"]) {
    assert.equal(shellQuote(word), word);
  }
});

Deno.test("typedAgain puts a flag before the command of --, and quotes every word", () => {
  assert.equal(typedAgain(["publish", "t", "it's"]), "evs publish t 'it'\\''s'");
  assert.equal(typedAgain(["publish", "t"], "--spool"), "evs publish t --spool");
  const consume = ["consume", "t", "--", "sh", "-c", "a;b", "--"];
  assert.equal(typedAgain(consume, "--update"), "evs consume t --update -- sh -c 'a;b' --");
});
