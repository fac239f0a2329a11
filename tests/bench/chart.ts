/** Draws the results as bars, ours against each peer, in one self-contained SVG. */
import { figure, median, type Result } from "./report.ts";

const WIDTH = 760;
const NAME = 250;
const BAR = 22;
const GAP = 8;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function bars(result: Result, top: number): string {
  const known = result.series.filter(({ rounds }) => rounds !== undefined);
  const most = Math.max(...known.map(({ rounds }) => median(rounds!)));
  const better = result.lowerIsBetter ? "less is better" : "more is better";
  const title = `${result.id}: ${result.title} (${result.unit}, ${better})`;
  const rows = result.series.map(({ name, rounds }, i) => {
    const y = top + 14 + i * (BAR + GAP);
    const value = rounds === undefined ? undefined : median(rounds);
    const length = value === undefined ? 0 : Math.max(1, (value / most) * (WIDTH - NAME - 110));
    const said = value === undefined ? "not installed" : figure(value);
    return `<text x="${NAME - 10}" y="${y + 15}" text-anchor="end">${escape(name)}</text>
<rect x="${NAME}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" rx="2" fill="${
      i === 0 ? "#2563eb" : "#94a3b8"
    }"/>
<text x="${NAME + length + 6}" y="${y + 15}">${said}</text>`;
  });
  return `<text x="0" y="${top}" font-weight="bold">${escape(title)}</text>\n${rows.join("\n")}`;
}

/** The chart's text. */
export function chart(results: readonly Result[]): string {
  let top = 24;
  const parts = results.map((result) => {
    const part = bars(result, top);
    top += 14 + result.series.length * (BAR + GAP) + 36;
    return part;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 0 ${
    WIDTH + 24
  } ${top}" font-family="sans-serif" font-size="13">
<rect x="-12" width="${WIDTH + 24}" height="${top}" fill="#fff"/>
${parts.join("\n")}
</svg>
`;
}
