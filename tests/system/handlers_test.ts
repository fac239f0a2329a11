/**
 * The handlers of examples/handlers keep the exit-code contract of `evs consume`, each in its own
 * language: done, retried, refused for good, and what they publish names its cause.
 */
import assert from "node:assert/strict";
import { needTools, Place, project } from "../helpers/shell.ts";

const FOLDER = `${project}/examples/handlers`;

/** How each is run; `build` comes first. */
const HANDLERS: Record<string, { tools: string[]; build?: string; command: string }> = {
  "receipt.sh": { tools: ["bash", "jq"], command: `${FOLDER}/receipt.sh` },
  "receipt.py": { tools: ["python3"], command: `${FOLDER}/receipt.py` },
  "receipt.mjs": { tools: ["node"], command: `${FOLDER}/receipt.mjs` },
  "receipt.rb": { tools: ["ruby"], command: `${FOLDER}/receipt.rb` },
  "receipt.go": {
    tools: ["go"],
    build: `go build -o "$PWD/receipt" ${FOLDER}/receipt.go`,
    command: `"$PWD/receipt"`,
  },
};

/** The folder of receipts comes once the first event waits for its retry. */
function scenario({ build = ":", command }: { build?: string; command: string }): string {
  return `${build}
    export RECEIPTS="$PWD/receipts"
    for total in 12.5 '"free"' 3; do
      evs publish orders order.placed "{\\"total\\":$total}" --quiet
    done
    evs consume orders --name receipts --until-empty --max-retries 500 \\
      --backoff fixed:200ms -- ${command} 2>said & consuming=$!
    until grep -q "there is no folder $RECEIPTS yet" said; do
      kill -0 $consuming
      sleep 0.1
    done
    mkdir "$RECEIPTS"
    code=0
    wait $consuming || code=$?
    test $code = 6 || { cat said >&2; exit 1; }
    evs subscription seek receipts 3 --yes >/dev/null # the third once more
    evs consume orders --name receipts --until-empty -- ${command} 2>/dev/null
    for seq in 1 3; do echo "$seq: $(cat "$RECEIPTS/$seq.txt")"; done
    evs dlq list
    echo ---
    evs replay orders
    echo ---
    evs replay receipts`;
}

// deno-lint-ignore no-explicit-any -- what the program printed
function parsed(lines: string): any[] {
  return lines.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

for (const [file, { tools, ...handler }] of Object.entries(HANDLERS)) {
  Deno.test(`examples/handlers/${file} exits as consume expects and names the cause`, async () => {
    needTools(...tools);
    await using place = await Place.make();
    const go = `${Deno.env.get("HOME") ?? place.folder}/.cache/go-build`;
    const out = await place.run(
      `cat >scenario <<'END'\n${scenario(handler)}\nEND\nevs with -- sh -eu scenario`,
      { GOCACHE: Deno.env.get("GOCACHE") ?? go, GOTOOLCHAIN: "local" },
    );
    const [, printed, orders, receipts] = /^([^]*?)---\n([^]*?)---\n([^]*)$/.exec(out) ?? [];
    const [first, third, dead, ...others] = printed!.split("\n").filter(Boolean);
    assert.deepEqual([first, third], ["1: total 12.5", "3: total 3"]);
    assert.deepEqual(others, []);
    const { seq, attempts, reason } = JSON.parse(dead!);
    assert.deepEqual([seq, attempts], [2, 1]);
    assert.equal(reason, "exit code 65: refused for good: the order has no total");
    const causes = parsed(orders!).map(({ id }) => ({ causationId: id, correlationId: id }));
    const written = parsed(receipts!);
    assert.deepEqual(
      written.map(({ id, metadata }) => ({ id, metadata }))
        .toSorted((a, b) => a.id.localeCompare(b.id)),
      [1, 3].map((seq) => ({ id: `receipt-${seq}`, metadata: causes[seq - 1] })),
    );
    assert.deepEqual(await place.lastingProcesses(), []);
  });
}

Deno.test("examples/handlers has a test for each handler", async () => {
  const files = (await Array.fromAsync(Deno.readDir(FOLDER))).map(({ name }) => name);
  assert.deepEqual(files.filter((name) => name.startsWith("receipt")).sort(), [
    "receipt.go",
    "receipt.mjs",
    "receipt.py",
    "receipt.rb",
    "receipt.sh",
  ]);
  assert.deepEqual(Object.keys(HANDLERS).sort(), files.filter((n) => n !== "README.md").sort());
});
