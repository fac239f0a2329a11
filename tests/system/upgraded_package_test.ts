/**
 * An upgrade: the packaged program of this version on a data dir of each version before
 * (tests/fixtures/version-*). It serves all that is in it, delivers what was still to be delivered,
 * and goes on from there.
 */
import assert from "node:assert/strict";
import { writeTree } from "../../packaging/tree.ts";
import { program } from "../helpers/built_program.ts";
import { fixtureLines, fixtureText, unpackFixture } from "../helpers/fixture.ts";
import { Place } from "../helpers/shell.ts";

/** Each version that was ever released, with the store of its data dir. */
const FIXTURES = [["version-0.1.0", "sqlite"], ["version-0.1.0-files", "file"]] as const;

for (const [fixture, store] of FIXTURES) {
  Deno.test(`the new package loses nothing when it starts on the data of ${fixture}`, async () => {
    await using place = await Place.make();
    await writeTree((await program()).tree, `${place.folder}/evs`);
    const dataDir = `${place.folder}/data`;
    await Deno.mkdir(dataDir, { mode: 0o700 });
    await unpackFixture(fixture, dataDir);
    const PATH = `${place.folder}/evs/bin:${place.env["PATH"]}`;
    const run = (script: string) => place.run(script, { EVS_DATA_DIR: dataDir, PATH });
    const lines = async (script: string) => parse(await run(script));

    await run(`evs daemon start --store ${store} 2>/dev/null`);
    for (const topic of ["orders", "notes", "checks"]) {
      const text = await run(`evs replay ${topic}`);
      assert.equal(text, fixtureText(fixture, `${topic}.ndjson`));
    }
    for (const [what, command] of Object.entries(LISTS)) {
      const before = fixtureLines(fixture, `${what}.ndjson`);
      assert.deepEqual(sameFields(await lines(command), before), before, what);
    }

    const refused = `evs publish checks order.checked '{"n":"one"}' 2>/dev/null || echo "with $?"`;
    assert.equal(await run(refused), "with 4\n", "its schema is in force");
    assert.equal(JSON.parse(await run("evs publish orders order.placed '{\"n\":26}'")).seq, 26);
    const seqs = (await run(`evs subscription resume halted >/dev/null 2>&1
evs consume orders --name halted --until-empty -- sh -c 'echo "$EVS_SEQ"' 2>/dev/null`))
      .trim().split("\n").map(Number);
    // 25 has the key of 7. While that one is not settled, what has another key overtakes it.
    assert.equal(seqs.length, 22);
    assert.ok(seqs.indexOf(7) < seqs.indexOf(25), `${seqs}`);
    assert.deepEqual(
      [...seqs.filter((seq) => seq !== 25), 25],
      [...Array.from({ length: 20 }, (_, i) => i + 5), 26, 25],
      "from where it was paused to the new event",
    );
    assert.deepEqual(
      (await run(`evs dlq retry --all >/dev/null 2>&1
evs consume orders --name mailer --until-empty -- cat 2>/dev/null`)).trim().split("\n").sort(),
      [
        ...fixtureText(fixture, "orders.ndjson").trim().split("\n")
          .filter((line) => [3, 5, 25].includes(JSON.parse(line).seq))
          .map((line) => line.slice(line.indexOf('"payload":') + 10, -1)),
        '{"n":26}',
      ].sort(),
      "dead letters, in their own bytes",
    );
    assert.deepEqual(
      (await run(`evs subscription retries later --now >/dev/null 2>&1
evs consume notes --name later --until-empty -- sh -c 'echo "$EVS_SEQ, attempt $EVS_ATTEMPT"' 2>/dev/null`))
        .trim().split("\n").sort(),
      ["1, attempt 2", "2, attempt 2", "3, attempt 1"],
    );

    assert.equal(await run("evs dlq list"), "");
    await run("evs daemon stop 2>/dev/null\nevs doctor >/dev/null");
    await run(`evs daemon start --store ${store} 2>/dev/null`);
    const whole = await run("evs replay orders");
    assert.ok(whole.startsWith(fixtureText(fixture, "orders.ndjson")));
    assert.deepEqual(parse(whole).at(-1).payload, { n: 26 });
    await run("evs daemon stop 2>/dev/null");
  });
}

/** What must list the same, and how. */
const LISTS = {
  dead_letters: "evs dlq list --json",
  schemas: "evs schema list --json",
  subscriptions: "evs subscription list --json",
};

// deno-lint-ignore no-explicit-any
function parse(text: string): any[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** What has the fields that the old one has: a new version may add some. */
function sameFields(now: unknown, old: unknown): unknown {
  if (Array.isArray(now) && Array.isArray(old)) {
    return now.map((one, at) => sameFields(one, old[at]));
  }
  if (!isRecord(now) || !isRecord(old)) return now;
  return Object.fromEntries(
    Object.keys(old).map((name) => [name, sameFields(now[name], old[name])]),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
