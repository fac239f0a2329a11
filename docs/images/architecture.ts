/** Draws docs/images/architecture.svg, light and dark: `deno task docs:images`. */

interface Colours {
  ink: string;
  quiet: string;
  line: string;
  outer: string;
  inner: string;
  box: string;
  events: string;
  state: string;
}

const LIGHT: Colours = {
  ink: "#1f2328",
  quiet: "#59636e",
  line: "#818b98",
  outer: "#f6f8fa",
  inner: "#ffffff",
  box: "#ffffff",
  events: "#dafbe1",
  state: "#ddf4ff",
};

const DARK: Colours = {
  ink: "#f0f6fc",
  quiet: "#9198a1",
  line: "#656c76",
  outer: "#151b23",
  inner: "#0d1117",
  box: "#212830",
  events: "#12361f",
  state: "#0c2d6b",
};

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
  title: string;
  text?: string;
  fill?: keyof Colours;
  /** The title stands at the top instead of the middle: something is drawn inside. */
  frame?: boolean;
}

/** A line from one point to another, with an arrow at its end. */
type Arrow = [fromX: number, fromY: number, toX: number, toY: number];

const BOXES: Box[] = [
  { x: 10, y: 70, width: 150, height: 44, title: "evs publish" },
  { x: 10, y: 134, width: 150, height: 44, title: "curl" },
  { x: 10, y: 198, width: 150, height: 44, title: "your application", text: "connect()" },
  { x: 740, y: 70, width: 150, height: 44, title: "evs tail, replay" },
  { x: 740, y: 134, width: 150, height: 44, title: "curl, EventSource" },
  { x: 740, y: 198, width: 150, height: 44, title: "evs consume", text: "runs your command" },
  { x: 220, y: 10, width: 460, height: 330, title: "daemon", fill: "outer", frame: true },
  { x: 240, y: 44, width: 200, height: 46, title: "ingest", text: "parse once, check the schema" },
  { x: 460, y: 44, width: 200, height: 46, title: "replay and tail", text: "the stored bytes" },
  { x: 240, y: 120, width: 420, height: 200, title: "EventBroker", fill: "inner", frame: true },
  { x: 260, y: 154, width: 180, height: 50, title: "journal", text: "group commit" },
  { x: 460, y: 154, width: 180, height: 50, title: "delivery", text: "leases, retries, key order" },
  {
    x: 260,
    y: 250,
    width: 180,
    height: 50,
    title: "event store",
    text: "SQLite, files, memory",
    fill: "events",
  },
  {
    x: 460,
    y: 250,
    width: 180,
    height: 50,
    title: "state",
    text: "cursors, dead letters",
    fill: "state",
  },
];

const ARROWS: Arrow[] = [
  [160, 92, 218, 92],
  [160, 156, 218, 156],
  [160, 220, 218, 220],
  [682, 92, 738, 92],
  [682, 156, 738, 156],
  [682, 220, 738, 220],
  [340, 90, 340, 152],
  [560, 154, 560, 92],
  [440, 179, 458, 179],
  [350, 204, 350, 248],
  [550, 204, 550, 248],
];

function draw(colours: Colours): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 376" font-family="system-ui, sans-serif" font-size="14">
<title>env-event-stream: clients, the daemon, its broker and its stores</title>
<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="${colours.line}"/></marker></defs>
${BOXES.map((box) => drawBox(box, colours)).join("\n")}
${ARROWS.map((arrow) => drawArrow(arrow, colours)).join("\n")}
<text x="450" y="364" text-anchor="middle" fill="${colours.quiet}">HTTP/1.1 on a Unix socket · acknowledged means on disk</text>
</svg>
`;
}

function drawBox(box: Box, colours: Colours): string {
  const { x, y, width, height, title, text, fill = "box", frame = false } = box;
  const middle = x + width / 2;
  const first = frame ? y + 22 : y + height / 2 + (text ? -3 : 5);
  const lines = [
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="8" fill="${
      colours[fill]
    }" stroke="${colours.line}"/>`,
    `<text x="${middle}" y="${first}" text-anchor="middle" font-weight="600" fill="${colours.ink}">${title}</text>`,
  ];
  if (text) {
    lines.push(
      `<text x="${middle}" y="${
        first + 17
      }" text-anchor="middle" font-size="12" fill="${colours.quiet}">${text}</text>`,
    );
  }
  return lines.join("\n");
}

function drawArrow([x1, y1, x2, y2]: Arrow, { line }: Colours): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${line}" stroke-width="1.5" marker-end="url(#arrow)"/>`;
}

if (import.meta.main) {
  const folder = new URL("./", import.meta.url);
  await Deno.writeTextFile(new URL("architecture.svg", folder), draw(LIGHT));
  await Deno.writeTextFile(new URL("architecture-dark.svg", folder), draw(DARK));
}
