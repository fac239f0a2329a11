/**
 * Random lives of a broker in this process, with its events on a disk in memory. They prove the
 * model and the judges without the engine of tests/world/engine: what the judges find here is wrong
 * in the broker or in the model, and not in a simulated socket.
 */
import assert from "node:assert/strict";
import { dose } from "../../helpers/dose.ts";
import { randomStream } from "../engine/random.ts";
import { liveLocally, NOT_LOCAL } from "./local_life.ts";
import { planLife } from "./plan.ts";

Deno.test("EventBroker keeps its promises through random lives", async () => {
  const from = Number(Deno.env.get("EVS_SEED") ?? 1);
  const lives = Deno.env.has("EVS_SEED") ? 1 : dose(3);
  let deliveries = 0;
  for (let seed = from; seed < from + lives; seed++) {
    const plan = planLife(seed, randomStream(seed, "plan"), { without: NOT_LOCAL });
    const { findings, judging } = await liveLocally(plan, randomStream(seed, "disk"));
    const why = `EVS_SEED=${seed}: ${JSON.stringify(findings.slice(0, 3), undefined, 2)}`;
    assert.equal(findings.length, 0, why);
    deliveries += judging.facts.filter(({ is }) => is === "began").length;
  }
  if (lives > 1) assert.ok(deliveries > lives, `${deliveries} deliveries`);
});
