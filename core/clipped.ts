/** What others made up, in the words of an error: its head. An error is told, logged and kept; a payload may be a mebibyte. */

/** The longest text in an error, UTF-16 units. */
export const LONGEST_TEXT = 4096;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The text, or its head. A copy: a slice would hold on to the whole. */
export function clipped(text: string): string {
  if (text.length <= LONGEST_TEXT) return text;
  return `${decoder.decode(encoder.encode(text.slice(0, LONGEST_TEXT - 1)))}…`;
}

/** The same for each text of an error's details. */
export function clippedDetails(details: Record<string, unknown>): Record<string, unknown> {
  const texts = Object.entries(details).filter(([, value]) =>
    typeof value === "string" && value.length > LONGEST_TEXT
  );
  if (texts.length === 0) return details;
  return {
    ...details,
    ...Object.fromEntries(texts.map(([name, value]) => [name, clipped(value as string)])),
  };
}
