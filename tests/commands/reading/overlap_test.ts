/** Overlapping reads and prints: order, bytes and errors are unchanged. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { overlap, passing } from "../../../commands/reading/overlap.ts";

/** Blocks as a connection gives them: each is overwritten when the next one is asked for. */
async function* views(blocks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const block of blocks) {
    const view = block.slice();
    yield view;
    view.fill(0);
  }
}

Deno.test("overlap prints every block once, in order, one at a time, whatever the pauses", async () => {
  const block = fc.uint8Array({ minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(fc.array(block), fc.scheduler(), async (blocks, scheduler) => {
      const printed: number[] = [];
      let printing = 0;
      const done = overlap(views(blocks), async (piece) => {
        assert.equal(++printing, 1, "one at a time");
        await scheduler.schedule(Promise.resolve());
        printed.push(...piece);
        printing--;
      });
      await scheduler.waitFor(done);
      assert.deepEqual(printed, blocks.flatMap((piece) => [...piece]));
    }),
  );
});

Deno.test("overlap ends with the error of the printer, and leaves the source", async () => {
  let left = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield await Promise.resolve(new Uint8Array([1]));
    } finally {
      left = true;
    }
  }
  let prints = 0;
  const failing = overlap(endless(), () => {
    return ++prints === 3 ? Promise.reject(new Error("the pipe is closed")) : Promise.resolve();
  });
  await assert.rejects(failing, /the pipe is closed/);
  assert.deepEqual([left, prints], [true, 3]);
});

Deno.test("overlap has printed everything before an error of the source", async () => {
  async function* breaking(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(new Uint8Array([1]));
    throw new Error("the daemon went away");
  }
  const printed: number[] = [];
  const print = async (block: Uint8Array) => {
    await new Promise((resolve) => setTimeout(resolve));
    printed.push(...block);
  };
  await assert.rejects(overlap(breaking(), print), /the daemon went away/);
  assert.deepEqual(printed, [1]);
});

Deno.test("passing prints every block in order, before it is overwritten, to a file and to what must be waited for", async () => {
  const blocks = [[1, 2], [3], [4, 5, 6]].map((bytes) => Uint8Array.from(bytes));
  for (const isFile of [true, false]) {
    const printed: number[] = [];
    await passing({ isFile })(views(blocks), (block) => {
      printed.push(...block);
      return Promise.resolve();
    });
    assert.deepEqual(printed, [1, 2, 3, 4, 5, 6]);
  }
});
