/**
 * Random lives of three brokers on one PostgreSQL: publishers with ids, groups and expectations,
 * consumers whose handlers fail, an operator who retries, edits, dismisses, redacts, pauses, seeks,
 * and removes and makes topics and subscriptions again, schemas that change, connections that are
 * ended, and brokers that are closed and opened again, all at once. At the end each acknowledged
 * event is stored once and in order, and in one place for each subscription; attempts only rise, a
 * key's first deliveries are in order, and the brokers' counts are those of what there is.
 */
import assert from "node:assert/strict";
import { openPostgres } from "../../../core/postgres/connection.ts";
import { dose } from "../../helpers/dose.ts";
import { seed } from "../../helpers/seed.ts";
import { consume, operate, publishAtRandom, trouble } from "./lives_actors.ts";
import { countsAreRight, faultsIn, quiet, readStored } from "./lives_judges.ts";
import { LivesWorld, NAMES, pause } from "./lives_world.ts";
import { emptyDatabase, endServer, theServer } from "./states.ts";

Deno.test.afterAll(endServer);

const PUBLISHERS = 3;

async function live(number: number): Promise<void> {
  const url = await emptyDatabase();
  const server = await theServer();
  const world = await LivesWorld.start(url, number);
  const consumers = world.brokers.flatMap((_, n) => NAMES.map((name) => consume(world, n, name)));
  let isOver = false;
  const publishers = Array.from(
    { length: PUBLISHERS },
    (_, n) => publishAtRandom(world, { name: `p${n}`, count: dose(120, 400) }),
  );
  const others = [
    operate(world, () => isOver),
    trouble(world, { isOver: () => isOver, sql: (text) => server.sql(text) }),
  ];
  await Promise.all(publishers);
  isOver = true;
  await Promise.all(others);
  world.isCalm = true;
  const postgres = await openPostgres(url);
  try {
    for (const name of NAMES) {
      // Its connection may have been cut last of all.
      const resume = () => world.brokers[0]!.subscriptions.resume(name);
      while (!await world.act("resume", resume)) await pause(10);
    }
    await quiet(world, postgres);
    world.isOver = true;
    await Promise.all(consumers);
    const stored = await readStored(world, postgres);
    const faults = [...faultsIn(world, stored), ...await countsAreRight(world, stored)];
    const acts = JSON.stringify(Object.fromEntries(world.acts));
    assert.deepEqual(faults.slice(0, 20), [], `${faults.length} faults after ${acts}`);
    assert.ok(world.delivered.length > 100, "there was something to judge");
  } finally {
    world.isOver = true;
    await Promise.allSettled(consumers);
    await postgres.close();
    for (const n of world.brokers.keys()) await world.close(n);
  }
}

for (let n = 0; n < dose(2); n++) {
  Deno.test(`brokers on one database keep what they promise through random lives: ${n}`, () =>
    live(seed + n).catch((cause) => {
      // The seed draws the same acts; what they meet is up to the database.
      throw new Error(`EVS_SEED=${seed + n}: ${cause.message ?? cause}`, { cause });
    }));
}
