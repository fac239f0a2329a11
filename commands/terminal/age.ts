/** How long ago something was, in the largest unit, for tables. */

const units: readonly (readonly [number, string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"],
];

/** `3d`, `2h`, `5m`, `7s`, `now`. The clock may have jumped, so a time in the future is `now`. */
export function age(ms: number): string {
  for (const [size, unit] of units) {
    if (ms >= size) return `${Math.floor(ms / size)}${unit}`;
  }
  return "now";
}

/** `5m ago`, `now`. */
export function ago(ms: number): string {
  const text = age(ms);
  return text === "now" ? text : `${text} ago`;
}
