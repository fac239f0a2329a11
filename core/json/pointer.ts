/** The parts of a JSON pointer (RFC 6901): `~0` stands for `~`, and `~1` for `/`. */

/** A name as a part of a pointer. */
export function escapePointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The name that a part of a pointer stands for. */
export function unescapePointer(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}
