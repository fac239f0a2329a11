/**
 * Formats the results: medians, ratios, a table for the terminal and for tests/bench/results.md.
 */

/** What one contender did in one piece of work. */
export interface Series {
  name: string;
  /** One figure a round; undefined when the contender is missing. */
  rounds: number[] | undefined;
}

/** One piece of work, the contenders side by side; the first one is ours. */
export interface Result {
  id: string;
  title: string;
  /** What a figure is, such as `events/s`. */
  unit: string;
  /** True for times, false for rates. */
  lowerIsBetter: boolean;
  series: Series[];
  /** Our figure over that of the series of this name: at least (rates) or at most (times) this. */
  goals: { against: string; ratio: number }[];
  /** Our figure itself: at most this. */
  most?: number;
}

/** The middle one of some figures. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A figure as people read it. */
export function figure(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function ratioOf(result: Result, series: Series): number | undefined {
  const ours = result.series[0]?.rounds;
  if (ours === undefined || series.rounds === undefined) return undefined;
  return median(ours) / median(series.rounds);
}

/** The goal of our own figure. */
function limitOf({ most, series, unit }: Result): string {
  const ours = series[0]?.rounds;
  if (most === undefined || ours === undefined) return "";
  return `at most ${most} ${unit}: ${median(ours) <= most ? "met" : "**short**"}`;
}

function goalOf(result: Result, series: Series, ratio: number | undefined): string {
  const goal = result.goals.find(({ against }) => against === series.name);
  if (goal === undefined) return "";
  const sign = result.lowerIsBetter ? "at most" : "at least";
  if (ratio === undefined) return `${sign} ${goal.ratio}x`;
  const met = result.lowerIsBetter ? ratio <= goal.ratio : ratio >= goal.ratio;
  return `${sign} ${goal.ratio}x: ${met ? "met" : "**short**"}`;
}

/** The result as a Markdown table. */
export function table(result: Result): string {
  const rows = result.series.map((series, i) => {
    const name = series.name.replaceAll("|", "\\|");
    if (series.rounds === undefined) return `| ${name} | not installed | | | |`;
    const ratio = i === 0 ? undefined : ratioOf(result, series);
    const spread = `${figure(Math.min(...series.rounds))} to ${figure(Math.max(...series.rounds))}`;
    return `| ${name} | ${figure(median(series.rounds))} | ${spread} | ${
      ratio === undefined ? "" : `${ratio.toFixed(2)}x`
    } | ${i === 0 ? limitOf(result) : goalOf(result, series, ratio)} |`;
  });
  return `### ${result.id}: ${result.title}

| | ${result.unit}, median | all rounds | ours over it | goal |
| --- | ---: | ---: | ---: | --- |
${rows.join("\n")}
`;
}
