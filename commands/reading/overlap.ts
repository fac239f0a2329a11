/**
 * Prints one block while the next one is being received, so that the daemon does not wait for our
 * disk or pipe. Two alternating buffers keep memory constant.
 */

/**
 * Passes every block to `print`, in order, at most one at a time. A block is valid until the next
 * one is requested.
 */
export async function overlap(
  blocks: AsyncIterable<Uint8Array>,
  print: (block: Uint8Array) => Promise<void>,
): Promise<void> {
  const buffers: [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  let turn: 0 | 1 = 0;
  let printing = Promise.resolve();
  try {
    for await (const block of blocks) {
      turn = turn === 0 ? 1 : 0;
      if (buffers[turn].length < block.length) buffers[turn] = new Uint8Array(block.length);
      buffers[turn].set(block);
      const copy = buffers[turn].subarray(0, block.length);
      await printing;
      printing = print(copy);
      // The next caller gets the error; until then it is not unhandled.
      printing.catch(() => {});
    }
  } finally {
    await printing;
  }
}

/** Passes every block to `print`, one after the other: for an output that accepts them at once. */
async function oneByOne(
  blocks: AsyncIterable<Uint8Array>,
  print: (block: Uint8Array) => Promise<void>,
): Promise<void> {
  for await (const block of blocks) await print(block);
}

/**
 * The best way to pass blocks to an output: for a file, no copy is needed to print in the meantime.
 */
export function passing({ isFile }: { isFile: boolean }): typeof overlap {
  return isFile ? oneByOne : overlap;
}
