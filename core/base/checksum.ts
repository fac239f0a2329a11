/**
 * CRC-32 as in ISO 3309 and zlib (polynomial 0xEDB88320, reflected). It protects the blocks of the
 * file store.
 *
 * Small inputs are summed here with eight tables ("slicing-by-8", M. Kounavis and F. Berry, "Novel
 * Table Lookup-Based Algorithms for High-Performance CRC Generation", 2008) at 1 GB/s. The
 * runtime's zlib does 8 GB/s, but loading `node:zlib` costs 30 ms. So it is loaded only after a few
 * megabytes, and never by a process that only reads a little.
 */

const POLYNOMIAL = 0xedb88320;
/** Bytes summed before loading zlib pays off. */
const WORTH_LOADING = 4 * 1024 * 1024;

type Crc = (bytes: Uint8Array, before: number) => number;

let native: Crc | undefined;
let summed = 0;

/**
 * The checksum of `bytes`, continuing from `before`: `crc32(b, crc32(a))` is the checksum of `a`
 * followed by `b`.
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  // zlib refuses a sum whose highest bit has made it negative; here it is the same sum.
  if (native) return native(bytes, before >>> 0);
  summed += bytes.length;
  if (summed >= WORTH_LOADING) native = loadNative();
  return crc32InScript(bytes, before);
}

/** The same, always in TypeScript. */
export function crc32InScript(bytes: Uint8Array, before = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables ??= makeTables();
  let crc = ~before;
  let i = 0;
  for (const end = bytes.length & ~7; i < end; i += 8) {
    const low = crc ^
      (bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24);
    crc = t7[low & 255]! ^ t6[low >>> 8 & 255]! ^ t5[low >>> 16 & 255]! ^ t4[low >>> 24]! ^
      t3[bytes[i + 4]!]! ^ t2[bytes[i + 5]!]! ^ t1[bytes[i + 6]!]! ^ t0[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) crc = t0[(crc ^ bytes[i]!) & 255]! ^ crc >>> 8;
  return ~crc >>> 0;
}

type Table = Int32Array;
type Tables = [Table, Table, Table, Table, Table, Table, Table, Table];

let tables: Tables | undefined;

function makeTables(): Tables {
  const made = Array.from({ length: 8 }, () => new Int32Array(256)) as Tables;
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ POLYNOMIAL : crc >>> 1;
    made[0][i] = crc;
  }
  for (let i = 0; i < 256; i++) {
    for (let k = 1; k < 8; k++) {
      const crc = made[k - 1]![i]!;
      made[k]![i] = crc >>> 8 ^ made[0][crc & 255]!;
    }
  }
  return made;
}

function loadNative(): Crc {
  const { process } = globalThis as unknown as {
    process?: { getBuiltinModule?(name: string): { crc32?: Crc } | undefined };
  };
  return process?.getBuiltinModule?.("node:zlib")?.crc32 ?? crc32InScript;
}
