/** Text in HTML, and links between files of the site. */

const ESCAPES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as HTML, for contents and for quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}

/** The path to `to` from the page `from`; both are paths in the site. */
export function relativePath(from: string, to: string): string {
  const above = from.split("/").slice(0, -1);
  const target = to.split("/");
  let shared = 0;
  while (shared < above.length && above[shared] === target[shared]) shared++;
  return "../".repeat(above.length - shared) + target.slice(shared).join("/");
}

/**
 * Names the anchors of a page as GitHub does, so that the same links work there: lower case, no
 * punctuation, and a number if a name was given before.
 */
export class Anchors {
  readonly #given = new Map<string, number>();

  /** The anchor of the next heading with this text. */
  next(heading: string): string {
    const name = heading.trim().toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
      .replaceAll(" ", "-");
    let anchor = name;
    let number = this.#given.get(name) ?? 0;
    while (this.#given.has(anchor)) anchor = `${name}-${++number}`;
    this.#given.set(name, number);
    this.#given.set(anchor, this.#given.get(anchor) ?? 0);
    return anchor;
  }
}
