/** The store in memory keeps what it was given, whatever becomes of the buffers that it came in. */
import assert from "node:assert/strict";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { newEvent } from "../../../testing/new_event.ts";

Deno.test("MemoryEventStore keeps a payload as it was when its buffer is used again", async () => {
  const store = new MemoryEventStore();
  const buffer = new TextEncoder().encode('[1]"next payload"');
  const event = { ...newEvent(), payload: buffer.subarray(0, 3) };
  await store.append([{ topic: "t", events: [event] }]);
  buffer.fill(0);
  const [stored] = store.readPage("t", { from: 1, to: 1, limit: 1 }).events;
  assert.equal(new TextDecoder().decode(stored!.payload), "[1]");
  assert.equal(stored!.payload.buffer.byteLength, 3, "and not the whole buffer");
});
