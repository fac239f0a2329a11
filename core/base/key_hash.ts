/** Hashes of keys and ids, for tables that would be too large with the texts. */

/** 64 bits: MurmurHash3's rounds (A. Appleby, public domain) with two seeds, over UTF-16 units. */
export function hash(text: string): [high: number, low: number] {
  return [murmur(text, 0x2545f491), murmur(text, 0x9e3779b9)];
}

function murmur(text: string, seed: number): number {
  let h = seed;
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    k = k << 15 | k >>> 17;
    h ^= Math.imul(k, 0x1b873593);
    h = h << 13 | h >>> 19;
    h = Math.imul(h, 5) + 0xe6546b64 | 0;
  }
  h ^= text.length;
  h = Math.imul(h ^ h >>> 16, 0x85ebca6b);
  h = Math.imul(h ^ h >>> 13, 0xc2b2ae35);
  return (h ^ h >>> 16) >>> 0;
}
