/** A W3C trace goes through `evs`: from who publishes, to handlers, to what they publish. */
import assert from "node:assert/strict";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand } from "../helpers/evs.ts";

const { program, options } = evsCommand([]);
const EVS = [program, ...options.args ?? []].map((word) => `'${word}'`).join(" ");
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const TRACEPARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const TRACESTATE = "vendor=a,other=b";
const env = { TRACEPARENT, TRACESTATE };
const trace = { traceparent: TRACEPARENT, tracestate: TRACESTATE };

async function run(
  at: TestDaemon,
  args: string[],
  more: { stdin?: string; env?: Record<string, string> } = {},
): Promise<{ stdout: string; stderr: string }> {
  const { code, ...output } = await evs(args, { at, ...more });
  assert.equal(code, 0, output.stderr);
  return output;
}

/** Consumes all that is there. `script` is the handler, in which `evs` runs this checkout. */
function handle(
  at: TestDaemon,
  topic: string,
  { script, flags = [], env = {} }: {
    script: string;
    flags?: string[];
    env?: Record<string, string>;
  },
): Promise<{ stdout: string; stderr: string }> {
  const handler = ["sh", "-euc", `evs() { ${EVS} "$@"; }\n${script}`];
  const args = ["consume", topic, "--name", `on-${topic}`, "--until-empty", ...flags];
  return run(at, [...args, "--max-retries", "0", "--", ...handler], { env });
}

const metadataOf = async (at: TestDaemon, topic: string) =>
  (await at.replay(topic)).map(({ metadata }) => metadata);

Deno.test("a trace goes from publish to the handler, and to what that publishes, over several steps", async () => {
  await using at = await startDaemon();
  await run(at, ["publish", "orders", "order.placed", "{}"], { env });
  // Once on the short path, once with a flag: both lead on.
  const first = await handle(at, "orders", {
    script: `echo "$TRACEPARENT $TRACESTATE"; evs publish payments payment.made '{}' >&2`,
  });
  const second = await handle(at, "payments", {
    script: `echo "$TRACEPARENT $TRACESTATE"; evs publish mails mail.sent '{}' --key k >&2`,
  });
  const [order] = await at.replay("orders");
  const [payment] = await at.replay("payments");
  const [mail] = await at.replay("mails");
  assert.deepEqual(order.metadata, trace);
  const parents = [order, payment, mail].map(({ metadata }) => metadata.traceparent);
  for (const parent of parents) assert.match(parent, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
  assert.equal(new Set(parents).size, 3, "each has a parent of its own");
  assert.deepEqual(
    [first, second].map(({ stdout }) => stdout),
    parents.slice(1).map((parent) => `${parent} ${TRACESTATE}\n`),
  );
  for (const [effect, cause] of [[payment, order], [mail, payment]]) {
    assert.equal(effect.metadata.causationId, cause.id);
    assert.equal(effect.metadata.correlationId, order.id);
    assert.equal(effect.metadata.tracestate, TRACESTATE);
  }
});

Deno.test("publish puts the trace of the environment into each event, and leaves copies as they are", async () => {
  await using at = await startDaemon();
  const publish = (topic: string, words: string[], stdin?: string) =>
    run(at, ["publish", topic, ...words], stdin === undefined ? { env } : { env, stdin });
  await publish("ndjson", ["n", "--ndjson"], "1\n2\n");
  await publish("lines", ["n", "--lines", "--meta", "host=h"], "a\n");
  await publish("text", ["n", "a", "--text"]);
  await publish("binary", ["n", "-", "--text", "--binary"], "a");
  await publish("past", ["n", "1", "--at", "2020-01-01T00:00:00Z"]);
  await publish("soon", ["n", "1", "--delay", "1ms"]);
  await publish("spool", ["n", "1", "--spool"]);
  await publish(
    "copy",
    ["--envelope"],
    '{"type":"n","payload":1,"metadata":{}}\n{"type":"n","payload":2}',
  );
  const cloud = { specversion: "1.0", id: "c", source: "/s", type: "n", data: 1 };
  await publish("cloud", ["--cloudevents"], JSON.stringify(cloud));
  const atomic = { topic: "atomic", type: "n", payload: 1 };
  await run(at, ["publish", "--atomic"], {
    env,
    stdin: `${JSON.stringify(atomic)}\n${JSON.stringify({ ...atomic, metadata: { n: 1 } })}`,
  });
  assert.deepEqual(await metadataOf(at, "ndjson"), [trace, trace]);
  assert.deepEqual(await metadataOf(at, "lines"), [{ ...trace, host: "h" }]);
  assert.deepEqual(await metadataOf(at, "text"), [trace]);
  const [binary] = await metadataOf(at, "binary");
  assert.deepEqual([binary.traceparent, binary.contentEncoding], [TRACEPARENT, "base64"]);
  assert.deepEqual(await metadataOf(at, "past"), [trace]);
  const soon = ["expect", "soon", "--timeout", "60s", "--where"];
  await run(at, [...soon, `event.metadata.traceparent == "${TRACEPARENT}"`]);
  assert.deepEqual(await metadataOf(at, "spool"), [trace]);
  assert.deepEqual(await metadataOf(at, "copy"), [{}, trace]);
  const [{ cloudevent, ...rest }] = await metadataOf(at, "cloud");
  assert.deepEqual([cloudevent.source, rest], ["/s", {}]);
  assert.deepEqual(await metadataOf(at, "atomic"), [trace, { n: 1 }]);
});

Deno.test("publish --spool keeps the trace until a daemon comes", async () => {
  await using at = await newDaemon();
  const { stdout } = await run(at, ["publish", "t", "n", "1", "--spool"], { env });
  assert.equal(JSON.parse(stdout).spooled, true);
  await at.start();
  await run(at, ["expect", "t", "--timeout", "60s"]);
  assert.deepEqual(await metadataOf(at, "t"), [trace]);
});

Deno.test("publish says that a trace is invalid, and publishes without it", async () => {
  await using at = await startDaemon();
  const bad = await run(at, ["publish", "t", "n", "1"], { env: { TRACEPARENT: "00-x\u001b[31m" } });
  assert.match(
    bad.stderr,
    /^TRACEPARENT is .* no W3C trace context: published without it .*00-0af/,
  );
  assert.ok(!bad.stderr.includes("\u001b"));
  const half = { TRACEPARENT, TRACESTATE: "?" };
  const state = await run(at, ["publish", "t", "n", "1"], { env: half });
  assert.match(state.stderr, /^TRACESTATE is "\?", which is no list of NAME=VALUE: left out\n$/);
  const quiet = await run(at, ["publish", "t", "n", "1", "--quiet"], { env: half });
  assert.equal(quiet.stderr, "");
  const none = await run(at, ["publish", "t", "n", "1"], { env: { TRACEPARENT: "", TRACESTATE } });
  assert.equal(none.stderr, "");
  const expected = [{}, { traceparent: TRACEPARENT }, { traceparent: TRACEPARENT }, {}];
  assert.deepEqual(await metadataOf(at, "t"), expected);
});

Deno.test("publish takes the trace that --meta says instead, and says if that is none", async () => {
  await using at = await startDaemon();
  const own = `00-${"1".repeat(32)}-${"2".repeat(16)}-00`;
  const publish = (...words: string[]) => run(at, ["publish", "t", "n", "1", ...words], { env });
  assert.equal((await publish("--meta", `traceparent=${own}`)).stderr, "");
  const { stderr } = await publish("--meta", "traceparent=mine");
  assert.match(stderr, /^traceparent is "mine", which is no W3C trace context: it is stored/);
  assert.deepEqual(await metadataOf(at, "t"), [{ traceparent: own }, { traceparent: "mine" }]);
});

Deno.test("consume gives a batch the trace that its events have in common, and none otherwise", async () => {
  await using at = await startDaemon();
  const other = `00-${"1".repeat(32)}-${"2".repeat(16)}-00`;
  for (const [topic, traceparent] of [["a", TRACEPARENT], ["a", TRACEPARENT], ["b", other]]) {
    const event = { type: "n", payload: 1, metadata: { traceparent } };
    assert.equal((await at.http("POST", `/v1/topics/${topic}/events`, event)).status, 200);
  }
  await at.publish("b", "n", 1);
  const script = `echo "$(env | grep ^TRACE || echo none)" >&2`;
  const flags = ["--batch", "10"];
  const common = await handle(at, "a", { script, flags });
  assert.match(common.stderr, new RegExp(`^TRACEPARENT=00-${TRACE}-[0-9a-f]{16}-01$`, "m"));
  assert.match((await handle(at, "b", { script, flags })).stderr, /^none$/m);
});

Deno.test("consume gives each attempt an id of its own, and an event without a trace what it has itself", async () => {
  await using at = await startDaemon();
  await run(at, ["publish", "t", "n", "1"], { env });
  await at.publish("t", "n", 2);
  const script =
    `read -r n; echo "$n $EVS_ATTEMPT $TRACEPARENT"; [ "$n" = 2 ] || [ "$EVS_ATTEMPT" = 2 ]`;
  const ambient = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const args = ["consume", "t", "--name", "c", "--until-empty", "--backoff", "fixed:1ms"];
  const { stdout } = await run(at, [...args, "--", "sh", "-euc", script], {
    env: { TRACEPARENT: ambient },
  });
  const runs = stdout.trim().split("\n").sort().map((line) => line.split(" "));
  assert.deepEqual(runs.map(([n, attempt]) => `${n} ${attempt}`), ["1 1", "1 2", "2 1"]);
  const [first, second, third] = runs.map(([, , traceparent]) => traceparent!);
  assert.ok(first!.includes(TRACE) && second!.includes(TRACE));
  assert.equal(new Set([first, second, TRACEPARENT]).size, 3);
  assert.equal(third, ambient);
});
