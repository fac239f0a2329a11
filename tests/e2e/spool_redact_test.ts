/** `evs redact` finds what is in the spool: it is not published, and in no file of the data dir. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs, until } from "../helpers/evs.ts";
import { tryLockSpool } from "../../core/spool/spool_folder.ts";
import { filesWith } from "../helpers/leftovers.ts";

const SECRET = "correct-horse-battery-staple";

Deno.test("evs redact removes an event from the spool by its id, and leaves the lines around it", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  await at.http("PUT", "/v1/schemas/number", { type: "integer" });
  await at.stop();
  const stdin = `"a"\n${JSON.stringify(SECRET)}\n"c"\n`;
  const args = ["publish", "t", "number", "--ndjson", "--spool", "--id-prefix", "p"];
  assert.equal((await evs(args, { at, stdin })).code, 0);
  await at.start();
  await until(async () => (await at.http("GET", "/v1/status")).json.spool?.[0]?.refused === 3);
  const older = `${at.folder}/older.evsbackup`;
  assert.equal((await evs(["backup", older], { at })).code, 0);
  assert.notDeepEqual(filesWith(at.dataDir, [SECRET]), []);
  const redacted = await evs(["redact", "t", "p-2", "--yes"], { at });
  assert.equal(redacted.code, 0, redacted.stderr);
  const { topic, seq, id, created } = JSON.parse(redacted.stdout);
  assert.deepEqual([topic, seq, id, created], ["t", 0, "p-2", true]);
  assert.deepEqual(filesWith(at.dataDir, [SECRET]), []);
  const list = JSON.parse((await evs(["spool", "list"], { at })).stdout);
  assert.deepEqual([list.events, list.bytes], [2, Deno.statSync(list.path).size]);
  assert.equal((await at.http("GET", "/v1/status")).json.spool[0].refused, 2);
  assert.match((await evs(["doctor", "--json"], { at })).stdout, /"2 events refused/);
  const again = await evs(["redact", "t", "p-2", "--yes"], { at });
  assert.equal(again.code, 1, "it is nowhere any more");
  const unchecked = await at.http("DELETE", "/v1/schemas/number");
  assert.ok(unchecked.status < 300, unchecked.text);
  assert.equal((await evs(["spool", "retry", "--refused"], { at })).code, 0);
  await until(async () => await at.countOf("t") === 3);
  assert.deepEqual((await at.replay("t", "?from=2")).map(({ id }) => id), ["p-1", "p-3"]);
  await at.stop();
  const restored = await evs(["restore", older, "--force"], { at });
  assert.equal(restored.code, 0, restored.stderr);
  assert.equal(JSON.parse(restored.stdout).redacted, 1);
  assert.deepEqual(filesWith(at.dataDir, [SECRET]), [], "the backup was made before");
});

Deno.test("evs redact waits for whoever changes the spool", async () => {
  await using at = await startDaemon();
  await at.stop();
  assert.equal((await evs(["publish", "t", "x", "1", "--spool", "--id", "a"], { at })).code, 0);
  await at.start();
  await until(async () => await at.countOf("t") === 1);
  let isAnswered = false;
  const lock = tryLockSpool(`${at.dataDir}/spool`)!;
  const redacting = at.http("POST", "/v1/topics/t/events/1/redact", {}).then((answer) => {
    isAnswered = true;
    return answer;
  });
  for (let i = 0; i < 20; i++) await at.http("GET", "/v1/health");
  assert.equal(isAnswered, false);
  lock[Symbol.dispose]();
  assert.equal((await redacting).status, 200);
});

Deno.test("evs redact of a seq leaves a spooled event alone that has these digits as its id", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  await at.http("PUT", "/v1/schemas/number", { type: "integer" });
  await at.stop();
  const args = ["publish", "t", "number", '"two"', "--spool", "--id", "1"];
  assert.equal((await evs(args, { at })).code, 0);
  await at.start();
  await until(async () => (await at.http("GET", "/v1/status")).json.spool?.[0]?.refused === 1);
  const redacted = await evs(["redact", "t", "1", "--yes"], { at });
  assert.equal(redacted.code, 0, redacted.stderr);
  assert.equal(JSON.parse(redacted.stdout).seq, 1);
  assert.equal((await at.http("GET", "/v1/status")).json.spool[0].refused, 1);
});

Deno.test("evs restore removes what is redacted from the spool of an older backup", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/schemas/number", { type: "integer" });
  await at.stop();
  const args = ["publish", "t", "number", "--spool", "--id", "mine"];
  assert.equal((await evs([...args, JSON.stringify(SECRET)], { at })).code, 0);
  await at.start();
  await until(async () => (await at.http("GET", "/v1/status")).json.spool?.[0]?.refused === 1);
  const older = `${at.folder}/older.evsbackup`;
  assert.equal((await evs(["backup", older], { at })).code, 0);
  assert.ok((await at.http("DELETE", "/v1/schemas/number")).status < 300);
  assert.equal((await evs(["spool", "retry", "--refused"], { at })).code, 0);
  await until(async () => await at.countOf("t") === 1);
  assert.equal((await evs(["redact", "t", "mine", "--yes"], { at })).code, 0);
  await at.stop();
  const restored = await evs(["restore", older, "--force"], { at });
  assert.equal(restored.code, 0, restored.stderr);
  assert.equal(JSON.parse(restored.stdout).redacted, 1);
  assert.deepEqual(filesWith(at.dataDir, [SECRET]), []);
});
