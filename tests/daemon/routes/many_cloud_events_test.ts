/**
 * A large request of CloudEvents whose ids another source has used: each id is looked up and
 * renamed, and others are served meanwhile.
 */
import assert from "node:assert/strict";
import { distinctIds, type KnownIds } from "../../../daemon/ingest/distinct_sources.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { heldInOneOf } from "../../helpers/series.ts";
import { newEvent } from "../../core/store/conformance.ts";

const COUNT = 20_000;

Deno.test("distinctIds looks up few ids in one step", () => {
  const stored = (source: string) =>
    newEvent({ id: "1", metadata: JSON.stringify({ cloudevent: { source } }) });
  let looked = 0;
  const known = {
    find() {
      looked++;
      return { ...stored("/a"), topic: "t", seq: 1 };
    },
    forgets: false,
  } satisfies KnownIds;
  const events = Array.from({ length: COUNT }, (_, n) => ({ ...stored("/b"), id: `${n}` }));
  const steps = distinctIds(events, known);
  for (let step = steps.next(); !step.done; step = steps.next()) {
    assert.ok(looked <= 100, `${looked} ids in one step`);
    looked = 0;
  }
});

/** Publishes the events of one source; the longest that another request took meanwhile. */
async function publish(
  daemon: TestDaemon,
  { source, type }: { source: string; type: "batch+json" | "ndjson" },
): Promise<{ took: number; longest: number; count: number }> {
  const events = Array.from({ length: COUNT }, (_, n) => ({
    specversion: "1.0",
    id: `id-${n}`,
    source,
    type: "x",
    data: n,
  }));
  const body = type === "ndjson"
    ? events.map((event) => JSON.stringify(event)).join("\n")
    : JSON.stringify(events);
  const headers = {
    "content-type": `application/cloudevents${type === "ndjson" ? "+" : "-"}${type}`,
  };
  const began = performance.now();
  let isDone = false;
  const answered = daemon.http("POST", "/v1/topics/t/events", body, headers)
    .finally(() => isDone = true);
  let longest = 0;
  while (!isDone) {
    const asked = performance.now();
    await daemon.http("GET", "/v1/health");
    longest = Math.max(longest, performance.now() - asked);
  }
  const { status, json } = await answered;
  assert.equal(status, 200);
  return { took: performance.now() - began, longest, count: json.count };
}

for (const type of ["batch+json", "ndjson"] as const) {
  Deno.test(`publish serves others while it renames the ids of many CloudEvents, as ${type}`, async () => {
    await using daemon = await startDaemon();
    await publish(daemon, { source: "/first", type });
    let source = 0;
    await heldInOneOf(async () => {
      const { took, longest, count } = await publish(daemon, { source: `/${++source}`, type });
      assert.equal(count, COUNT);
      return {
        holds: longest < took / 3,
        figures: `a request took ${longest.toFixed(0)} of ${took.toFixed(0)} ms`,
      };
    });
  });
}
