/** What of a look is of all nodes of a database, and told by one `evs alert` of them. */
import assert from "node:assert/strict";
import { isOfAllNodes, MEASURES } from "../../../commands/alerting/limit.ts";
import type { HeldCondition } from "../../../commands/alerting/machine.ts";
import type { Notice } from "../../../commands/alerting/notice.ts";
import { turnPartOf, withoutShared } from "../../../commands/alerting/shared_turn.ts";

Deno.test("isOfAllNodes tells what each node would say from what is a daemon's or a machine's own", () => {
  assert.deepEqual(MEASURES.filter((measure) => !isOfAllNodes(measure)), [
    ...["refused", "disk", "degraded", "down"],
  ]);
});

Deno.test("withoutShared sees nothing of what another one tells: it neither begins nor ends", () => {
  const reading = (measure: typeof MEASURES[number]) => ({ measure, value: 1, words: () => "" });
  const { readings, unseen } = withoutShared({
    readings: [{ ...reading("lag"), subscription: "s" }, reading("nodes"), reading("disk")],
    unseen: [{ measure: "refused", subscription: "*" }],
  });
  assert.deepEqual(readings.map(({ measure }) => measure), ["disk"]);
  assert.deepEqual(unseen.map(({ measure, subscription }) => `${measure} ${subscription}`), [
    ...["refused *", "lag *", "nodes *"],
  ]);
});

Deno.test("turnPartOf divides what is remembered into what is of all nodes and the rest", () => {
  const condition = (measure: string) => ({ measure, id: measure }) as unknown as HeldCondition;
  const notice = (alert: string) => ({ alert }) as unknown as Notice;
  const all = {
    conditions: [condition("lag"), condition("disk")],
    untold: [notice("dlq"), notice("down")],
  };
  const ids = (shared: boolean) => {
    const { conditions, untold } = turnPartOf(all, { shared });
    return [...conditions.map(({ id }) => id), ...untold.map(({ alert }) => alert)];
  };
  assert.deepEqual(ids(true), ["lag", "dlq"]);
  assert.deepEqual(ids(false), ["disk", "down"]);
});
