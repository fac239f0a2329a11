/**
 * Contract row 12: the daemon starts on the data dir of an older version, reports no damage, and
 * returns everything.
 */
import assert from "node:assert/strict";
import { fixtureLines, fixtureText, unpackFixture } from "../helpers/fixture.ts";
import { Place } from "../helpers/shell.ts";

const STORES = { "format-1": "sqlite", "format-2": "sqlite", "files-1": "file" };

for (const [fixture, store] of Object.entries(STORES)) {
  Deno.test(`evs shows all that ${fixture} has, and no damage, when a new version starts on it`, async () => {
    await using place = await Place.make();
    await Deno.mkdir(`${place.folder}/data`, { mode: 0o700 });
    await unpackFixture(fixture, `${place.folder}/data`);
    const env = { EVS_DATA_DIR: `${place.folder}/data` };
    // The first start has no watermarks to go by; the second one has those of the first.
    for (const start of ["first", "second"]) {
      await place.run(`evs daemon start --store ${store} 2>/dev/null`, env);
      for (const topic of ["orders", "short"]) {
        const text = await place.run(`evs replay ${topic}`, env);
        assert.equal(text, fixtureText(fixture, `${topic}.ndjson`), start);
      }
      const digest = await place.run("evs replay numbers | sha256sum | cut -d' ' -f1", env);
      assert.equal(digest, fixtureText(fixture, "numbers.sha256"));
      const shown = parse(await place.run("evs subscription list --json", env));
      for (const { name, paused, pauseReason } of fixtureLines(fixture, "subscriptions.ndjson")) {
        const now = shown.find((one) => one.name === name);
        assert.deepEqual([now?.paused, now?.pauseReason], [paused, pauseReason], name);
      }
      const dead = parse(await place.run("evs dlq list --json", env));
      const [{ id, reason }] = fixtureLines(fixture, "dead_letters.ndjson");
      assert.deepEqual(dead.map((one) => [one.id, one.reason]), [[id, reason]]);
      await place.run("evs daemon stop 2>/dev/null", env);
      const doctor = await place.sh("evs doctor", env);
      assert.equal(doctor.code, 0, `${start}: ${doctor.stdout}${doctor.stderr}`);
      const log = await Deno.readTextFile(`${place.folder}/data/log/daemon.log`);
      assert.doesNotMatch(log, /"level":"(?:warning|error)"/);
    }
    await assert.rejects(Deno.stat(`${place.folder}/data/quarantine`), Deno.errors.NotFound);
  });
}

// deno-lint-ignore no-explicit-any
function parse(lines: string): any[] {
  return lines.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}
