/**
 * `evs backup` and `evs restore --store postgres://…`: what a daemon has, on files or in a database,
 * is the same in the other place, with its numbers.
 */
import assert from "node:assert/strict";
import { startPostgres } from "../../helpers/postgres.ts";
import { DaemonPlace } from "./daemon_place.ts";
import { answersOf, deliveredTo, liveThere } from "./lives.ts";

for (const store of ["sqlite", "file"]) {
  Deno.test(`evs restore --store moves a daemon on ${store} into a database, and back`, async () => {
    await using server = await startPostgres({ settings: { fsync: "off" } });
    const url = await server.database();
    await using place = await DaemonPlace.make();
    await place.ok(["daemon", "start", "--store", store]);
    const acknowledged = await liveThere(place);
    const before = await answersOf(place);
    await place.ok(["daemon", "stop"]);
    const file = `${place.folder}/backup.tar`;
    await place.ok(["backup", file]);

    const [restored] = await place.json(["restore", file, "--store", url]);
    assert.deepEqual([restored.topics, restored.keptAt], [4, undefined]);
    await using node = await DaemonPlace.make();
    await node.ok(["daemon", "start", "--store", url]);
    assert.deepEqual(await answersOf(node), before);
    await knowsIdsAndNumbers(node);

    // While its node works, and again when nobody does.
    const back = `${node.folder}/back.tar`;
    await node.ok(["backup", back]);
    await using copy = await DaemonPlace.make();
    await copy.ok(["restore", back]);
    await copy.ok(["daemon", "start"]);
    const [there, here] = [await answersOf(node), await answersOf(copy)];
    assert.deepEqual(here, there);
    const doctor = await copy.json(["doctor"]);
    assert.deepEqual(doctor.filter(({ level }) => level === "damage"), []);

    // Nobody is given anything again, and nothing is left out.
    for (const [topic, name] of [["orders", "billing"], ["orders", "later"], ["short", "all"]]) {
      const [inDatabase, inFiles] = [
        await deliveredTo(node, topic!, name!),
        await deliveredTo(copy, topic!, name!),
      ];
      assert.deepEqual(inDatabase, inFiles, name);
      if (name !== "billing") continue;
      const dead = [3, 11];
      // The one that was redacted is delivered to nobody.
      const all = [...acknowledged, ...inFiles, ...dead, 8].sort((a, b) => a - b);
      assert.deepEqual([...new Set(all)], all, "nothing again");
      assert.deepEqual(all, Array.from({ length: 41 }, (_, n) => n + 1));
    }
  });
}

/** What was published is known by its id, and numbers go on: of topics, of keys, of removed topics. */
async function knowsIdsAndNumbers(place: DaemonPlace): Promise<void> {
  const publish = async (topic: string, ...rest: string[]) =>
    (await place.json(["publish", topic, "placed", '{"n":1}', "--json", ...rest]))[0];
  const again = await publish("orders", "--id", "o-6");
  assert.deepEqual([again.seq, again.duplicate], [7, true]);
  const next = await publish("orders", "--key", "customer-2");
  assert.equal(next.seq, 41);
  const [event] = await place.json(["get", "orders", "41"]);
  assert.equal(event.keySeq, 9, "one of them was redacted, and has its number");
  assert.equal((await publish("gone")).seq, 4);
}
