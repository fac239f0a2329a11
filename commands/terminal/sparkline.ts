/** Numbers as a line of small bars. */

const BARS = "▁▂▃▄▅▆▇█";

/** A bar for each number, the tallest for the greatest; a dot for none, a space for not known. */
export function sparkline(numbers: readonly (number | null | undefined)[]): string {
  const most = numbers.reduce((most: number, value) => Math.max(most, value ?? 0), 1);
  return numbers.map((value) => {
    if (value === null || value === undefined) return " ";
    return value <= 0 ? "·" : BARS[Math.ceil(value / most * BARS.length) - 1];
  }).join("");
}
