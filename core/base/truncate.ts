/**
 * Shortens text from outside before it goes into an error. Errors are shown, logged and stored, and
 * a payload may be a mebibyte.
 */

/** The longest text in an error, in UTF-16 units. */
export const LONGEST_TEXT = 4096;
/** The longest stack or handler output that is kept, in UTF-16 units. */
export const LONGEST_OUTPUT = 8192;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The text, or its head if it is too long. A copy: a slice would keep the whole text in memory. */
export function truncate(text: string, longest = LONGEST_TEXT): string {
  if (text.length <= longest) return text;
  return `${decoder.decode(encoder.encode(text.slice(0, longest - 1)))}…`;
}

/**
 * The text, or its end if it is too long: the last lines of output usually say most. Also a copy.
 */
export function truncateToEnd(text: string, longest = LONGEST_OUTPUT): string {
  if (text.length <= longest) return text;
  return `…${decoder.decode(encoder.encode(text.slice(1 - longest)))}`;
}

/** Truncates each text in an error's details. */
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
