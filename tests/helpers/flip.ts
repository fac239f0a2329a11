/** Deliberate damage. */

/**
 * Random numbers from 0 up to but not including `below`, the same for the same seed (a linear
 * congruential generator).
 */
export function randomFrom(seed: number): (below: number) => number {
  let state = BigInt(seed);
  return (below) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((state >> 11n) % BigInt(below));
  };
}

/** Flips one bit of a file. */
export function flipBit(path: string, { byte, bit }: { byte: number; bit: number }): void {
  const file = Deno.openSync(path, { read: true, write: true });
  try {
    const one = new Uint8Array(1);
    file.seekSync(byte, Deno.SeekMode.Start);
    file.readSync(one);
    one[0]! ^= 1 << bit;
    file.seekSync(byte, Deno.SeekMode.Start);
    file.writeSync(one);
  } finally {
    file.close();
  }
}
