/**
 * Makes text safe for a terminal. Characters that could move the cursor, change colours, set titles
 * or reverse the reading direction are shown as escapes (C0, DEL, C1, bidi controls, line
 * separators, lone surrogates), and so are invisible ones that would be copied along (soft hyphens,
 * zero-width spaces, tags; but not the joiners of emoji). An OSC or CSI sequence starts with one of
 * these, so escaping its first character disarms it.
 */

const UNSAFE =
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Text for people: one line, visible characters only. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, escapeCharacter);
}

/** The same for multi-line text: line feeds stay. */
export function escapeLines(text: string): string {
  return text.replace(
    UNSAFE,
    (character) => character === "\n" ? "\n" : escapeCharacter(character),
  );
}

/**
 * One line of JSON for a terminal: still the same JSON. Outside strings, white space can only mean
 * a space.
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
