/** `uniqueItems` by one pass over a set: ajv compares every item with every other. */

/** True when no two items are equal as JSON values. */
export function hasUniqueItems(items: readonly unknown[]): boolean {
  const seen = new Set<string>();
  for (const item of items) {
    const text = canonical(item);
    if (seen.has(text)) return false;
    seen.add(text);
  }
  return true;
}

/** One text for all spellings of a JSON value: members in order of their names. In loops, for it runs on every item. */
export function canonical(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  let text = "";
  if (Array.isArray(value)) {
    for (const item of value) text += `,${canonical(item)}`;
    return `[${text}]`;
  }
  const names = Object.keys(value);
  if (names.length > 1) names.sort();
  for (const name of names) {
    text += `,${JSON.stringify(name)}:${canonical((value as Record<string, unknown>)[name])}`;
  }
  return `{${text}}`;
}
