/**
 * What others made up, in the words of an error: its head. An error is told, logged and kept; a
 * payload may be a mebibyte.
 */

/** The longest text in an error, UTF-16 units. */
export const LONGEST_TEXT = 4096;
/** The longest text that is kept of what a handler printed, and of a stack, UTF-16 units. */
export const LONGEST_OUTPUT = 8192;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The text, or its head. A copy: a slice would hold on to the whole. */
export function truncate(text: string, longest = LONGEST_TEXT): string {
  if (text.length <= longest) return text;
  return `${decoder.decode(encoder.encode(text.slice(0, longest - 1)))}…`;
}

/** The text, or its end: of what was printed the last lines tell most. A copy, too. */
export function truncateToEnd(text: string, longest = LONGEST_OUTPUT): string {
  if (text.length <= longest) return text;
  return `…${decoder.decode(encoder.encode(text.slice(1 - longest)))}`;
}

/** The same for each text of an error's details. */
export function truncateDetails(details: Record<string, unknown>): Record<string, unknown> {
  const texts = Object.entries(details).filter(([, value]) =>
    typeof value === "string" && value.length > LONGEST_TEXT
  );
  if (texts.length === 0) return details;
  return {
    ...details,
    ...Object.fromEntries(texts.map(([name, value]) => [name, truncate(value as string)])),
  };
}
