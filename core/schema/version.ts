/** Schema versions: `1.10` comes after `1.9`. */

/** Orders versions: dotted numbers numerically, anything else as text, numbers before words. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".");
  const right = b.split(".");
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = comparePart(left[i] ?? "", right[i] ?? "");
    if (order !== 0) return order;
  }
  return 0;
}

function comparePart(a: string, b: string): number {
  const numbers = /^\d+$/;
  if (numbers.test(a) && numbers.test(b)) return Number(a) - Number(b);
  if (a === b) return 0;
  if (numbers.test(a) !== numbers.test(b)) {
    return a === "" || (b !== "" && numbers.test(a)) ? -1 : 1;
  }
  return a < b ? -1 : 1;
}

/** The version of a schema registered without one: first `1.0`, then the next whole number. */
export function nextVersion(versions: readonly string[]): string {
  const highest = versions.toSorted(compareVersions).at(-1);
  if (highest === undefined) return "1.0";
  const major = /^\d+/.exec(highest);
  return major ? `${Number(major[0]) + 1}.0` : `${versions.length + 1}.0`;
}
