/** Numbers of things, in words. */

/** `1 event`, `2 events`. */
export function counted(n: number, one: string): string {
  return `${n.toLocaleString("en-US")} ${one}${n === 1 ? "" : "s"}`;
}
