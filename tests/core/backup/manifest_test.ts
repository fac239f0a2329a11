/** A backup may come from anybody, and its manifest decides where `evs restore` writes. */
import assert from "node:assert/strict";
import { DataDirError } from "../../../core/base/errors.ts";
import { BACKUP_FORMAT, parseManifest } from "../../../core/backup/manifest.ts";

const FACTS = { format: BACKUP_FORMAT, createdAt: 1, topics: 1, events: 1 };

function manifest(...files: unknown[]): string {
  return JSON.stringify({ ...FACTS, files });
}

Deno.test("parseManifest takes the files of a data dir", () => {
  const paths = ["events.db", "state.db", "events/format", "events/a/head"];
  const files = paths.map((path) => ({ path, size: 1, sha256: "" }));
  assert.deepEqual(parseManifest(manifest(...files)).files.map(({ path }) => path), paths);
});

Deno.test("parseManifest refuses every path that a data dir does not have", () => {
  const paths = [
    ...["../x", "/etc/passwd", "events/../../x", "events/../head", "events/./head", "events//head"],
    ...["evs.sock", "log/daemon.log", "quarantine/x", "events/a/b/head", "events.db\n", "", ".."],
    ...["events/a/0000000000000001.ndjson/x", "events/a/head\0", `events/${"a".repeat(200)}/head`],
  ];
  const odd = [null, 1, "events.db", {}, { path: 5 }, { path: null }, [], { path: ["events.db"] }];
  for (const file of [...paths.map((path) => ({ path, size: 1, sha256: "" })), ...odd]) {
    assert.throws(() => parseManifest(manifest(file)), (error) => {
      assert.ok(error instanceof DataDirError, `${JSON.stringify(file)}: ${error}`);
      assert.equal(error.code, "datadir/damaged");
      return true;
    }, JSON.stringify(file));
  }
});

Deno.test("parseManifest refuses what is told of it later and is no number, and a path that is there twice", () => {
  const file = { path: "events/format", size: 1, sha256: "" };
  const bad = [
    { createdAt: "x" },
    { createdAt: 1e300 },
    { createdAt: null },
    { topics: "\u001b]0;owned\u0007" },
    { events: -1 },
    { events: undefined },
    { format: 0.5 },
  ].map((odd) => JSON.stringify({ ...FACTS, ...odd, files: [file] }));
  for (const text of [...bad, manifest(file, file)]) {
    assert.throws(() => parseManifest(text), (error) => {
      assert.ok(error instanceof DataDirError, `${text}: ${error}`);
      assert.equal(error.code, "datadir/damaged");
      return true;
    }, text);
  }
});
