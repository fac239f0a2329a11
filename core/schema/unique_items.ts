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

/** One text for all spellings of a JSON value: members in order of their names. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.keys(value).sort().map((name) =>
    `${JSON.stringify(name)}:${canonical((value as Record<string, unknown>)[name])}`
  );
  return `{${members.join(",")}}`;
}
