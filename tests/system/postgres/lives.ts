/** A daemon with all kinds of records, and what it answers about them. */
import assert from "node:assert/strict";
import { until } from "../../helpers/evs.ts";
import type { DaemonPlace } from "./daemon_place.ts";

const lines = (events: readonly object[]) =>
  events.map((one) => `${JSON.stringify(one)}\n`).join("");
const shell = (script: string) => ["--", "sh", "-c", script];

/**
 * Publishes, schedules, consumes, fails, redacts, removes: leaves something of everything. Returns the seqs of
 * `orders` that `billing` has acknowledged.
 */
export async function liveThere(place: DaemonPlace): Promise<number[]> {
  await place.ok(["topic", "create", "orders", "--retention", "30d"]);
  await place.ok(["topic", "create", "short", "--max-events", "3"]);
  const schema = `{"type":"object","required":["n"]}`;
  await place.ok(["schema", "register", "placed", "-", "--version", "1.0"], schema);
  const orders = Array.from({ length: 40 }, (_, n) => ({
    type: "placed",
    id: `o-${n}`,
    key: `customer-${n % 5}`,
    payload: { n, text: "9007199254740993 \u0000 é 💡" },
    metadata: { source: "test", n },
  }));
  await place.ok(["publish", "orders", "--envelope"], lines(orders));
  await place.ok(
    ["publish", "short", "n", "--ndjson", "--id-prefix", "s-"],
    "1\n2\n3\n4\n5\n6\n7\n",
  );
  for (const topic of ["gone", "again"]) {
    await place.ok(["publish", topic, "n", "--ndjson"], "1\n2\n3\n");
    await place.ok(["topic", "remove", topic, "--yes"]);
  }
  await place.ok(["publish", "again", "n", "--ndjson"], "5.0\n6e1\n");
  const later = ["--delay", "30d", "--id", "waits", "--key", "customer-1"];
  await place.ok(["publish", "orders", "placed", '{"n":100}', ...later]);
  await place.ok(["redact", "orders", "8", "--reason", "asked for", "--yes"]);
  const file = `${place.folder}/acknowledged`;
  // Some fail for good, some wait to be retried, and some are done before others.
  const consumed = await place.run([
    ...["consume", "orders", "--name", "billing", "--max-retries", "2", "--backoff", "fixed:1h"],
    ...[
      "--max",
      "20",
      ...shell(`case "$EVS_SEQ" in 3|11) exit 65;; 5|14) exit 1;; esac; echo $EVS_SEQ >>${file}`),
    ],
  ]);
  assert.ok([0, 6].includes(consumed.code), consumed.stderr);
  await place.ok(["subscription", "create", "later", "orders", "--from", "end"]);
  await place.ok(["subscription", "pause", "later"]);
  await place.ok(["consume", "short", "--name", "all", "--until-empty", ...shell("true")]);
  await place.ok(["publish", "short", "n", "8"]);
  await until(async () => {
    const topics = await place.json(["topic", "list", "--json"]);
    return topics.find(({ name }) => name === "short").firstSeq === 6;
  });
  return await seqsIn(file);
}

async function seqsIn(file: string): Promise<number[]> {
  const lines = (await Deno.readTextFile(file)).split("\n").filter((line) => line !== "");
  return lines.map(Number).sort((a, b) => a - b);
}

/** What it says of all of that, without what is of the process that says it. */
export async function answersOf(place: DaemonPlace): Promise<Record<string, unknown>> {
  const json = (...args: string[]) => place.json([...args, "--json"]);
  const topics = await json("topic", "list");
  const events: Record<string, string> = {};
  for (const { name } of topics) events[name] = await place.ok(["replay", name]);
  const subscriptions = await json("subscription", "list");
  return {
    topics: topics.map(({ store: _, durability: __, rates: ___, newestAt: ____, ...topic }) =>
      topic
    ),
    events,
    subscriptions: subscriptions.map(({ name, topic, paused, dead, scheduled, settings }) => ({
      ...{ name, topic, paused, dead, scheduled, settings },
    })),
    letters: await json("dlq", "list"),
    groups: await json("dlq", "groups"),
    schemas: await json("schema", "list"),
    scheduled: (await json("scheduled", "list"))
      // The wall clock moves it.
      .map(({ dueAt: _, inMs: __, ...event }) => event),
    audit: await json("audit"),
  };
}

/** What a subscription is given until nothing is left: the seqs, in the order of their numbers. */
export async function deliveredTo(
  place: DaemonPlace,
  topic: string,
  name: string,
): Promise<number[]> {
  const file = `${place.folder}/delivered-${name}`;
  await Deno.writeTextFile(file, "");
  if (name === "later") await place.ok(["subscription", "resume", name]);
  else await place.ok(["subscription", "retries", name, "--now"]);
  const noted = shell(`echo "$EVS_SEQ" >>${file}`);
  await place.ok(["consume", topic, "--name", name, "--until-empty", ...noted]);
  return await seqsIn(file);
}
