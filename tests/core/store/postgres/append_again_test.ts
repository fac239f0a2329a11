/** What of an append is sent again after some of its requests are refused. */
import assert from "node:assert/strict";
import { EventRefusedError } from "../../../../core/base/errors.ts";
import { pack, type StoreRequest } from "../../../../core/store/pack.ts";
import { requestsIn, withoutRefused } from "../../../../core/store/postgres/append_again.ts";
import { planAppend } from "../../../../core/store/postgres/append_plan.ts";
import type { AppendRequest } from "../../../../core/store/store.ts";
import { newEvent } from "../../../../testing/new_event.ts";

let payloads = 0;
const event = () => newEvent({ payload: String(++payloads) });
const request = (
  topic: string,
  count: number,
  more: Partial<AppendRequest> = {},
): AppendRequest => ({
  topic,
  events: Array.from({ length: count }, event),
  expected: "any",
  ...more,
});

/** The buffers of packed requests are somebody else's once an append has begun. */
function overwritten(requests: readonly StoreRequest[]): void {
  for (const one of requests) if ("payloads" in one) one.payloads.fill(0);
}

Deno.test("requestsIn gives back what was planned, after its buffers were used again", () => {
  const given = [
    request("t", 2, { under: { topic: 1, schemas: 2 } }),
    request("u", 1),
    request("t", 3, { under: { topic: 1 } }),
    request("t", 0),
    request("t", 1, { expected: 5 }),
    request("u", 2),
  ];
  const packed = given.map((one, i) =>
    i % 2 === 0 ? { ...pack(one), ...one.under && { under: one.under } } : one
  );
  const groups = [{ from: 4, to: 6, conditions: [] }];
  const plan = planAppend(packed, groups);
  overwritten(packed);
  const again = requestsIn(plan);
  const texts = (requests: readonly AppendRequest[]) =>
    requests.map(({ topic, expected, under, events }) => ({
      topic,
      expected,
      under,
      events: events.map(({ id, payload }) => [id, new TextDecoder().decode(payload)]),
    }));
  assert.deepEqual(texts(again), texts(given));
  const { values } = planAppend(again, groups);
  assert.deepEqual(values, plan.values, "and it is sent alike");
});

Deno.test("withoutRefused leaves out what is refused, and whole groups of which one is", () => {
  const requests = ["a", "b", "c", "d", "e", "f", "g"].map((topic) => request(topic, 1));
  const groups = [{ from: 1, to: 3, conditions: [] }, { from: 4, to: 6, conditions: [] }];
  const error = new EventRefusedError("event/schema-violation", "no");
  const refusals = requests.map(({ topic }) => topic === "c" || topic === "g" ? error : undefined);
  const rest = withoutRefused({ requests, groups, refusals });
  assert.deepEqual(rest.requests.map(({ topic }) => topic), ["a", "d", "e", "f"]);
  assert.deepEqual(rest.places, [0, 3, 4, 5]);
  assert.deepEqual(rest.groups, [{ from: 2, to: 4, conditions: [] }]);
  assert.deepEqual([...rest.refused.keys()], [1, 2, 6]);
  for (const outcome of rest.refused.values()) assert.equal(!outcome.ok && outcome.refused, error);
});
