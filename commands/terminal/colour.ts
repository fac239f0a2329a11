/** Colours, for terminals that support them. */

/** The values of `--color`. */
export type ColourChoice = "auto" | "always" | "never";

/** Paints text; without colour it returns the text unchanged. */
export interface Palette {
  readonly enabled: boolean;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  blue(text: string): string;
  magenta(text: string): string;
  cyan(text: string): string;
}

/**
 * Whether to use colour: as requested, otherwise on a terminal unless `NO_COLOR` or `TERM=dumb` is
 * set.
 */
export function wantsColour(
  choice: ColourChoice,
  facts: { terminal: boolean; noColor?: string; term?: string },
): boolean {
  if (choice !== "auto") return choice === "always";
  return facts.terminal && (facts.noColor ?? "") === "" && facts.term !== "dumb";
}

/** A palette. */
export function palette(enabled: boolean): Palette {
  const paint = (on: number, off: number) => (text: string) =>
    enabled && text !== "" ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    enabled,
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    blue: paint(34, 39),
    magenta: paint(35, 39),
    cyan: paint(36, 39),
  };
}
