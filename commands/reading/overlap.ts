/**
 * Prints one block while the next one is on its way: the daemon does not wait until the disk or the
 * pipe behind us has taken what it sent. Two buffers in turn, so that memory stays constant.
 */

/**
 * Hands every block to `print`, in order, at most one at a time. Blocks are valid until the next is
 * asked for.
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
      // Whoever waits for it next is told; until then it is not unhandled.
      printing.catch(() => {});
    }
  } finally {
    await printing;
  }
}

/** Hands every block to `print`, one after the other: for an output that takes them at once. */
async function oneByOne(
  blocks: AsyncIterable<Uint8Array>,
  print: (block: Uint8Array) => Promise<void>,
): Promise<void> {
  for await (const block of blocks) await print(block);
}

/**
 * How blocks are best handed to an output: what goes to a file need not be copied to be printed
 * meanwhile.
 */
export function passing({ isFile }: { isFile: boolean }): typeof overlap {
  return isFile ? oneByOne : overlap;
}
