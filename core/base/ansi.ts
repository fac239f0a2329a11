/** Colours and other terminal sequences in what a program printed. */

/**
 * CSI (with either introducer), OSC and the other string sequences, two-character escapes. Linear
 * on any input.
 */
const SEQUENCES =
  // deno-lint-ignore no-control-regex -- escape sequences are what this is about
  /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]/g;

/** The text without terminal sequences; other control characters stay. */
export function stripAnsi(text: string): string {
  return text.includes("\x1b") || text.includes("\x9b") ? text.replace(SEQUENCES, "") : text;
}

/**
 * The text without colours. Other sequences stay: whoever shows them escapes them, for they may
 * hide something.
 */
export function stripColours(text: string): string {
  // deno-lint-ignore no-control-regex -- escape sequences are what this is about
  return text.replace(/\x1b\[[0-9;:]*m/g, "");
}
