/** Events stored after a damaged block are not lost with it. */
import assert from "node:assert/strict";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";
import { flipBit } from "../../../helpers/flip.ts";
import { inFolder } from "../../../helpers/start.ts";
import { newEvent } from "../conformance.ts";

for (const [how, lookAtMost] of [["each topic", 100], ["its checkpoint", 0]] as const) {
  Deno.test(`FileEventStore that starts from ${how} keeps new events apart from damage of a moment before`, () =>
    inFolder(async (folder) => {
      // The clock does not move, so all appends share a block.
      const clock = new FakeClock();
      const open = () =>
        new FileEventStore(`${folder}/events`, { clock, durability: "os", lookAtMost });
      const append = (store: FileEventStore, ...payloads: string[]) =>
        store.append([{ topic: "t", events: payloads.map((payload) => newEvent({ payload })) }]);
      const before = open();
      await append(before, "1", "2");
      await before.close();
      flipBit(`${folder}/events/t/0000000000000001.ndjson`, { byte: 20, bit: 1 });
      const store = open();
      await append(store, "3");
      await append(store, "4");
      const { events } = store.readPage("t", { from: 1, to: 9, limit: 9 });
      assert.deepEqual(events.map(({ seq }) => seq), [3, 4]);
      const damage = store.damage().map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq]);
      assert.deepEqual(damage, [[1, 2]]);
      await store.close();
    }));
}
