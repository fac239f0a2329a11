/** What a start says is gone: databases, their logs after a kill, an older state, the record itself. */
import assert from "node:assert/strict";
import { missingFiles, olderState } from "../../../core/data_dir/missing_files.ts";
import type { Watermarks } from "../../../core/data_dir/watermarks.ts";

const WRITTEN_AT = 1000;

function marks(changes: Partial<Watermarks> = {}): Watermarks {
  return {
    phase: "open",
    generation: 3,
    files: ["events.db", "state.db", "events"],
    ends: new Map(),
    writtenAt: WRITTEN_AT,
    ...changes,
  };
}

/** A data dir with these files, last changed at these times. */
function folder(files: Record<string, number>): (name: string) => number | undefined {
  return (name) => files[name];
}

const WHOLE = {
  "events.db": 900,
  "events.db-wal": 1000,
  "state.db": 900,
  "state.db-wal": 1000,
  "events": 900,
};

function without(name: keyof typeof WHOLE): Record<string, number> {
  const { [name]: _, ...rest } = WHOLE;
  return rest;
}

function namesOf(found: Watermarks | undefined, files: Record<string, number>): string[] {
  return missingFiles(found, folder(files)).map(({ file }) => file);
}

Deno.test("missingFiles names nothing when everything is there, or nothing is known", () => {
  assert.deepEqual(namesOf(marks(), WHOLE), []);
  assert.deepEqual(namesOf(undefined, {}), []);
});

for (const phase of ["open", "closing", "closed"] as const) {
  for (const file of ["events.db", "state.db", "events"] as const) {
    Deno.test(`missingFiles names ${file} when it is gone and the last phase was ${phase}`, () => {
      assert.deepEqual(namesOf(marks({ phase }), without(file)), [file]);
    });
  }
}

for (const database of ["events.db", "state.db"] as const) {
  const log = `${database}-wal` as const;
  Deno.test(`missingFiles names ${log} when it is gone and the daemon was killed`, () => {
    assert.deepEqual(namesOf(marks(), without(log)), [log]);
  });

  Deno.test(`missingFiles does not miss ${log} when the daemon had begun to close`, () => {
    for (const phase of ["closing", "closed", "restored"] as const) {
      assert.deepEqual(namesOf(marks({ phase }), without(log)), []);
    }
  });

  Deno.test(`missingFiles does not miss ${log} when another program has put it into the database since`, () => {
    const files = { ...without(log), [database]: WRITTEN_AT + 1 };
    assert.deepEqual(namesOf(marks(), files), []);
  });
}

Deno.test("olderState names the state when it was opened less often than the record says", () => {
  assert.equal(olderState(marks(), 2)?.file, "state.db");
  assert.equal(olderState(marks(), 3), undefined);
  assert.equal(olderState(marks(), 4), undefined, "a kill came before the record");
});

Deno.test("olderState names the record when the state has been opened before and it is gone", () => {
  assert.equal(olderState(undefined, 1)?.file, "watermarks");
  assert.equal(olderState(undefined, 0), undefined, "a first start");
});
