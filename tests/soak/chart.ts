/** Draws a soak as lines over time, one picture below the other, in one self-contained SVG. */
import type { Sample } from "./verdict.ts";

const [WIDTH, HEIGHT, LEFT, GAP] = [760, 130, 60, 56];

interface Series {
  title: string;
  value(sample: Sample): number | undefined;
}

const SERIES: readonly Series[] = [
  { title: "resident memory of the daemon, MiB", value: ({ rss }) => rss },
  { title: "open descriptors", value: ({ descriptors }) => descriptors },
  { title: "p99 of a publish of 10 events, ms", value: ({ p99 }) => p99 },
  { title: "p99 of a write and a sync to a file, without a daemon, ms", value: (s) => s.control },
];

/** The chart's text. */
export function chart(samples: readonly Sample[], title: string): string {
  const end = Math.max(1, ...samples.map(({ at }) => at));
  const parts = SERIES.map((series, i) =>
    picture(series, { samples, end, top: 50 + i * (HEIGHT + GAP) })
  );
  const height = 50 + SERIES.length * (HEIGHT + GAP);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${
    WIDTH + 20
  } ${height}" font-family="sans-serif" font-size="13">
<rect width="${WIDTH + 20}" height="${height}" fill="#fff"/>
<text x="10" y="22" font-weight="bold">${escape(title)}</text>
${parts.join("\n")}
</svg>
`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function picture(
  { title, value }: Series,
  { samples, end, top }: { samples: readonly Sample[]; end: number; top: number },
): string {
  const most = Math.max(1, ...samples.map((sample) => value(sample) ?? 0)) * 1.1;
  const x = (at: number) => LEFT + (at / end) * (WIDTH - LEFT);
  const y = (amount: number) => top + HEIGHT - (amount / most) * HEIGHT;
  const points = samples.flatMap((sample) => {
    const amount = value(sample);
    return amount === undefined ? [] : [`${x(sample.at).toFixed(1)},${y(amount).toFixed(1)}`];
  });
  const restarts = samples.filter(({ life }, i) => i > 0 && life !== samples[i - 1]!.life).map((
    { at },
  ) =>
    `<line x1="${x(at).toFixed(1)}" x2="${x(at).toFixed(1)}" y1="${top}" y2="${
      top + HEIGHT
    }" stroke="#e2e8f0"/>`
  );
  const ticks = [0, most / 2, most].map((amount) =>
    `<text x="${LEFT - 8}" y="${y(amount) + 4}" text-anchor="end" fill="#64748b">${
      amount.toFixed(0)
    }</text>`
  );
  return `<text x="${LEFT}" y="${top - 8}">${title}</text>
<rect x="${LEFT}" y="${top}" width="${
    WIDTH - LEFT
  }" height="${HEIGHT}" fill="none" stroke="#cbd5e1"/>
${[...restarts, ...ticks].join("\n")}
<polyline points="${points.join(" ")}" fill="none" stroke="#2563eb" stroke-width="1.2"/>
<text x="${WIDTH}" y="${top + HEIGHT + 16}" text-anchor="end" fill="#64748b">${
    end.toFixed(0)
  } s</text>`;
}
