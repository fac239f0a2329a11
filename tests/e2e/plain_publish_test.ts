/**
 * The fast path of `evs publish TOPIC TYPE PAYLOAD` prints the same as the normal path
 * (docs/adr/0006-start-up.md).
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs, type EvsResult } from "../helpers/evs.ts";

const THREE_WORDS: [what: string, topic: string, type: string, payload: string, code: number][] = [
  ["stores an event", "users", "user.created", `{"n":1}`, 0],
  ["takes any JSON value", "users", "user.created", "null", 0],
  ["refuses what is no JSON", "users", "user.created", `{"n":`, 4],
  ["refuses what does not fit the schema", "orders", "order.placed", `{"total":"free"}`, 4],
  ["refuses a bad topic name", "no/topic", "user.created", "1", 2],
  ["refuses an empty type", "users", "", "1", 2],
];

/** Numbers and ids differ from event to event. */
function said({ code, stdout, stderr }: EvsResult): unknown[] {
  const alike = (text: string) =>
    text.replace(/"seq":\d+/, '"seq":N').replace(/"id":"[^"]+"/, '"id":"ID"');
  return [code, alike(stdout), alike(stderr)];
}

Deno.test("publish of three plain words says what it says with a flag", async () => {
  await using daemon = await startDaemon();
  const registered = await evs(["schema", "register", "order.placed", "-", "--version", "1.0"], {
    at: daemon,
    stdin: `{"type":"object","properties":{"total":{"type":"number"}}}`,
  });
  assert.equal(registered.code, 0, registered.stderr);
  for (const [what, topic, type, payload, code] of THREE_WORDS) {
    const plain = await evs(["publish", topic, type, payload], { at: daemon });
    const flagged = await evs(["publish", topic, type, payload, "--meta", "a=b"], { at: daemon });
    assert.equal(plain.code, code, `${what}: ${plain.stderr}`);
    assert.deepEqual(said(plain), said(flagged), what);
    if (code === 4) assert.match(plain.stderr, /; nothing was stored$/m, what);
  }
});

Deno.test("publish of three plain words says what it says with a flag when there is no daemon", async () => {
  const at = { socket: "/nowhere/evs.sock", dataDir: "/nowhere" };
  const plain = await evs(["publish", "users", "user.created", "1"], { at });
  const flagged = await evs(["publish", "users", "user.created", "1", "--meta", "a=b"], { at });
  assert.equal(plain.code, 5, plain.stderr);
  assert.deepEqual(said(plain), said(flagged));
});
