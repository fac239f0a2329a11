/**
 * Groups of dead letters in the files of a state: of an earlier format, and after a redaction.
 */
import assert from "node:assert/strict";
import { unpackFixture } from "../../helpers/fixture.ts";
import { groupId } from "../../../core/state/group_rules.ts";
import { foldReason } from "../../../core/state/reason.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { line, present, put } from "./group_letters.ts";

Deno.test("SqliteState has nothing of a group's text and notes in its files after a redaction", async () => {
  const dir = await Deno.makeTempDir();
  const state = new SqliteState(`${dir}/state.db`);
  try {
    const group = groupId("no customer 'smithsonian'");
    await state.commit([
      put("a", "no customer 'smithsonian'"),
      { op: "group.note", group, note: { at: 1, text: "smithsonian called" } },
    ]);
    const found = () => {
      const files = [...Deno.readDirSync(dir)].map(({ name }) => `${dir}/${name}`);
      const texts = files.map((path) => new TextDecoder("latin1").decode(Deno.readFileSync(path)));
      return texts.some((text) => text.includes("smithsonian"));
    };
    assert.ok(found());
    await state.commit([{ op: "event.redact", topic: "t", seq: 1, id: "a", key: undefined, line }]);
    await state.scrub();
    assert.ok(!found());
  } finally {
    await state.close();
    await Deno.remove(dir, { recursive: true });
  }
});

for (const fixture of ["format-1", "format-2", "version-0.1.0"]) {
  Deno.test(`SqliteState groups the dead letters that are in the state of ${fixture}`, async () => {
    const dir = await Deno.makeTempDir();
    try {
      await unpackFixture(fixture, dir);
      const state = new SqliteState(`${dir}/state.db`);
      try {
        const { records } = state.deadLetters({}, { limit: 1000 });
        assert.ok(records.length > 0);
        for (const { group, reason } of records) assert.equal(group, groupId(foldReason(reason)));
        const counts = Object.values(await present(state)).reduce((a, b) => a + b);
        assert.equal(counts, records.length);
        for (const group of state.deadLetterGroups()) {
          const own = records.filter((record) => record.group === group.id);
          assert.deepEqual([group.state, group.total], ["open", own.length]);
          const times = own.map(({ diedAt }) => diedAt);
          const { firstAt, lastAt } = group;
          assert.deepEqual([firstAt, lastAt], [Math.min(...times), Math.max(...times)]);
        }
      } finally {
        await state.close();
      }
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}
