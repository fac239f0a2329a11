/**
 * Makes text harmless on a terminal: what could move the cursor, change colours, set titles or turn
 * the reading direction is shown as an escape instead (C0, DEL, C1, bidi controls, line separators,
 * lone surrogates), and so is what cannot be seen at all but would be copied along (soft hyphens,
 * zero-width spaces, tags; not the joiners of emoji). An OSC or CSI sequence begins with one of
 * these, so it is disarmed with its first character.
 */

const UNSAFE =
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Text for people: one line, nothing but what can be seen. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, escapeCharacter);
}

/** The same for text of several lines: line feeds stay. */
export function escapeLines(text: string): string {
  return text.replace(
    UNSAFE,
    (character) => character === "\n" ? "\n" : escapeCharacter(character),
  );
}

/**
 * One line of JSON for a terminal: still the same JSON. Outside of strings only spaces can be
 * meant.
 */
export function escapeJson(json: string): string {
  return json.replace(UNSAFE, (character) => {
    if (character === "\t" || character === "\r" || character === "\n") return " ";
    return unicodeEscape(character);
  });
}

function escapeCharacter(character: string): string {
  switch (character) {
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
    case "\x1b":
      return "\\e";
    default:
      return unicodeEscape(character);
  }
}

function unicodeEscape(character: string): string {
  return character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}
