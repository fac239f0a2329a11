/** Strips colours and other terminal escape sequences from text that a program printed. */

/**
 * CSI (7-bit and 8-bit introducer), OSC and the other string sequences, and two-character escapes.
 * Matches in linear time on any input.
 */
const SEQUENCES =
  // deno-lint-ignore no-control-regex -- escape sequences are what this is about
  /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]/g;

/** Removes terminal sequences. Other control characters stay. */
export function stripAnsi(text: string): string {
  return text.includes("\x1b") || text.includes("\x9b") ? text.replace(SEQUENCES, "") : text;
}

/**
 * Removes colours only. Other sequences stay, because they may hide something; the code that
 * displays the text escapes them.
 */
export function stripColours(text: string): string {
  // deno-lint-ignore no-control-regex -- escape sequences are what this is about
  return text.replace(/\x1b\[[0-9;:]*m/g, "");
}
