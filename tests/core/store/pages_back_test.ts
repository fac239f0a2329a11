/** Reading a range from its end: every event once, newest first, in pages of a bounded size. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { sizeOf } from "../../../core/store/append.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { PagesBack } from "../../../core/store/pages_back.ts";
import type { PageQuery } from "../../../core/store/store.ts";
import { PAGE_BYTES } from "../../../core/store/store.ts";
import { atOnce } from "../../helpers/at_once.ts";
import { newEvent } from "../../../testing/new_event.ts";

Deno.test("PagesBack gives every event of the range once, newest first, whatever their sizes", async () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constant(400_000)), {
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.record({
        from: fc.integer({ min: 1, max: 70 }),
        to: fc.integer({ min: 0, max: 70 }),
        limit: fc.integer({ min: 1, max: 64 }),
        cut: fc.integer({ min: 1, max: 20 }),
      }),
      fc.boolean(),
      async (lengths, { from, to, limit, cut }, typed) => {
        const store = new MemoryEventStore();
        const events = lengths.map((length, i) =>
          newEvent({ type: i % 3 ? "x" : "y", payload: `"${"p".repeat(length)}"` })
        );
        await store.append([{ topic: "t", events }]);
        await store.truncate("t", cut);
        const types = typed ? ["x"] : undefined;
        const pages = new PagesBack(store, "t", { from, to, limit, types });
        const got: number[] = [];
        for (let page = atOnce(pages.next()); page; page = atOnce(pages.next())) {
          assert.ok(page.length <= limit);
          const bytes = page.reduce((sum, event) => sum + sizeOf(event), 0);
          assert.ok(page.length === 1 || bytes <= PAGE_BYTES, `a page has ${bytes} bytes`);
          got.push(...page.map(({ seq }) => seq));
        }
        const wanted = events.map(({ type }, i) => ({ type, seq: i + 1 })).filter(({ type, seq }) =>
          seq >= Math.max(from, cut) && seq <= to && (types?.includes(type) ?? true)
        ).map(({ seq }) => seq);
        assert.deepEqual(got, wanted.reverse());
      },
    ),
  );
});

Deno.test("PagesBack ends where retention has got to meanwhile", async () => {
  const store = new MemoryEventStore();
  await store.append([{ topic: "t", events: Array.from({ length: 30 }, () => newEvent()) }]);
  const pages = new PagesBack(store, "t", { from: 1, to: 30, limit: 10 });
  assert.equal(atOnce(pages.next())?.at(-1)?.seq, 21);
  await store.truncate("t", 16);
  assert.deepEqual(atOnce(pages.next())?.map(({ seq }) => seq), [20, 19, 18, 17, 16]);
  assert.equal(pages.next(), undefined);
});

Deno.test("PagesBack reads few pages where small events lie before large ones", async () => {
  const store = new MemoryEventStore();
  const large = JSON.stringify("x".repeat(900_000));
  await store.append([{ topic: "t", events: Array.from({ length: 998 }, () => newEvent()) }]);
  for (let i = 0; i < 2; i++) {
    await store.append([{ topic: "t", events: [newEvent({ payload: large })] }]);
  }
  let reads = 0;
  const counted = {
    head: (topic: string) => store.head(topic),
    readPage: (topic: string, query: PageQuery) => (reads++, store.readPage(topic, query)),
  };
  const pages = new PagesBack(counted, "t", { from: 1, to: 1000, limit: 1000 });
  assert.equal(atOnce(pages.next())?.[0]?.seq, 1000);
  assert.ok(reads < 20, `${reads} reads`);
});
