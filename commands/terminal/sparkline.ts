/** Numbers as a line of small bars. */

const BARS = "▁▂▃▄▅▆▇█";

/** A bar for each number, the highest for the largest; a dot for none. */
export function sparkline(numbers: readonly number[]): string {
  const most = Math.max(1, ...numbers);
  return numbers.map((number) =>
    number <= 0 ? "·" : BARS[Math.ceil(number / most * BARS.length) - 1]
  ).join("");
}
