/** What a handler publishes with `evs publish` names the event that it handles as its cause. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand } from "../helpers/evs.ts";

/** `evs` as a handler's script types it. */
const { program, options } = evsCommand([]);
const EVS = [program, ...options.args ?? []].map((word) => `'${word}'`).join(" ");

/** Consumes all that is there. `script` is the handler, in which `evs` runs this checkout. */
async function handle(
  at: TestDaemon,
  topic: string,
  { script, flags = [], env = {} }: {
    script: string;
    flags?: string[];
    env?: Record<string, string>;
  },
): Promise<string> {
  const handler = ["sh", "-euc", `evs() { ${EVS} "$@"; }\n${script}`];
  const args = ["consume", topic, "--name", `on-${topic}`, "--until-empty", ...flags];
  const { code, stdout, stderr } = await evs([...args, "--max-retries", "0", "--", ...handler], {
    at,
    env,
  });
  assert.equal(code, 0, stderr);
  return stdout;
}

Deno.test("publish in a handler names the event and what it belongs to, over several steps", async () => {
  await using at = await startDaemon();
  await at.publish("orders", "order.placed", { total: 12 });
  // Once on the short path, once with a flag: both lead on.
  await handle(at, "orders", { script: `evs publish payments payment.made '{}'` });
  await handle(at, "payments", { script: `evs publish mails mail.sent '{}' --key k` });
  const [order] = await at.replay("orders");
  const [payment] = await at.replay("payments");
  const [mail] = await at.replay("mails");
  assert.deepEqual(order.metadata, {});
  assert.deepEqual(payment.metadata, { causationId: order.id, correlationId: order.id });
  assert.deepEqual(mail.metadata, { causationId: payment.id, correlationId: order.id });
});

Deno.test("publish in a handler names the cause of each line, and leaves envelopes as they are", async () => {
  await using at = await startDaemon();
  await at.publish("in", "n", 1);
  const [{ id }] = await at.replay("in");
  await handle(at, "in", {
    script: `printf '1\\n2\\n' | evs publish out n --ndjson
      printf 'a\\n' | evs publish out n --lines --meta host=h
      echo text | evs publish out n - --text --binary
      evs replay in | evs publish copy --envelope
      echo '{"type":"n","payload":1}' | evs publish copy --envelope`,
  });
  const cause = { causationId: id, correlationId: id };
  const found = (await at.replay("out")).map(({ metadata }) => metadata);
  assert.deepEqual(found.slice(0, 3), [cause, cause, { ...cause, host: "h" }]);
  assert.deepEqual([found[3].causationId, found[3].contentEncoding], [id, "base64"]);
  assert.deepEqual((await at.replay("copy")).map(({ metadata }) => metadata), [{}, cause]);
});

Deno.test("publish in a handler keeps what --meta says, and the correlation id that an event has", async () => {
  await using at = await startDaemon();
  const correlationId = 'day "7"\n& more %';
  const published = await evs(
    ["publish", "in", "n", "1", "--meta", `correlationId=${correlationId}`],
    { at },
  );
  assert.equal(published.code, 0, published.stderr);
  await handle(at, "in", {
    script: `evs publish out n 1
      evs publish out n 2 --meta causationId=mine
      env -u EVS_SUBSCRIPTION ${EVS} publish out n 3`,
  });
  const [{ id }] = await at.replay("in");
  assert.deepEqual((await at.replay("out")).map(({ metadata }) => metadata), [
    { causationId: id, correlationId },
    { causationId: "mine", correlationId },
    {},
  ]);
});

Deno.test("publish in a handler of a batch names what its events have in common", async () => {
  await using at = await startDaemon();
  const events = [["a", "c1"], ["a", "c1"], ["b", "c1"], ["b", "c2"]].map((
    [topic, correlationId],
  ) => [topic!, { type: "n", payload: 1, metadata: { correlationId } }] as const);
  for (const [topic, event] of events) {
    assert.equal((await at.http("POST", `/v1/topics/${topic}/events`, event)).status, 200);
  }
  // Facts of an outer handler are not the batch's.
  const outer = { EVS_ID: "outer", EVS_CORRELATION_ID: "outer", EVS_SUBSCRIPTION: "outer" };
  for (const topic of ["a", "b"]) {
    await handle(at, topic, {
      script: `evs publish out-${topic} n 1 >&2`,
      flags: ["--batch", "10"],
      env: outer,
    });
  }
  assert.deepEqual((await at.replay("out-a"))[0].metadata, { correlationId: "c1" });
  assert.deepEqual((await at.replay("out-b"))[0].metadata, {});
});

Deno.test("publish outside a handler names no cause, whatever else is set", async () => {
  await using at = await startDaemon();
  const env = { EVS_ID: "i", EVS_CORRELATION_ID: "c" };
  for (const flags of [[], ["--key", "k"]]) {
    const { code, stderr } = await evs(["publish", "t", "n", "1", ...flags], { at, env });
    assert.equal(code, 0, stderr);
  }
  assert.deepEqual((await at.replay("t")).map(({ metadata }) => metadata), [{}, {}]);
});
