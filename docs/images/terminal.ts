/**
 * Draws docs/images/terminal.svg: a session of `evs` in a real terminal (tmux), as a person sees
 * it. `deno task docs:images`; needs tmux.
 */
const project = decodeURIComponent(new URL("../..", import.meta.url).pathname).replace(/\/$/, "");
const COLUMNS = 108;

/** What is typed, in order. The last ones clear nothing: all of it is in the picture. */
const TYPED = [
  `seq 5 | evs publish orders order.placed --ndjson`,
  `evs consume orders --name billing --until-empty --max-retries 1 --backoff fixed:100ms -- ./charge`,
  `evs dlq list`,
  `evs dlq groups`,
  `sed -i 's/^card=.*/card=visa/' charge`,
  `evs dlq retry --all`,
  `evs consume orders --name billing --until-empty -- ./charge`,
  `evs subscription list`,
];

/** A handler that has no card for every second order. */
const CHARGE = `#!/bin/sh
card=
read -r order
[ $((order % 2)) -eq 1 ] || [ -n "$card" ] ||
  { echo "CardError: no card on file" >&2; exit 1; }
`;

const PALETTE = [
  "#484f58",
  "#ff7b72",
  "#7ee787",
  "#d29922",
  "#79c0ff",
  "#d2a8ff",
  "#76e3ea",
  "#e6edf3",
];

async function run(command: string, args: string[], env: Record<string, string>): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, env }).output();
  if (code !== 0) {
    throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
  return new TextDecoder().decode(stdout);
}

/** Types every line into a terminal and gives back what stands in it, with its colours. */
async function record(folder: string): Promise<string> {
  const env = {
    PATH: `${project}/bin:${Deno.env.get("PATH")}`,
    HOME: folder,
    TERM: "xterm-256color",
    EVS_DATA_DIR: `${folder}/data`,
    EVS_SOCKET: `${folder}/evs.sock`,
    EVS_DENO: Deno.execPath(),
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
  };
  await Deno.writeTextFile(`${folder}/rc`, "PS1='$ '\n");
  await Deno.writeTextFile(`${folder}/charge`, CHARGE, { mode: 0o755 });
  const tmux = (...args: string[]) => run("tmux", ["-S", `${folder}/tmux`, ...args], env);
  await run("evs", ["daemon", "start"], env);
  const size = ["-x", String(COLUMNS), "-y", "60"];
  await tmux("new-session", "-d", "-s", "evs", "-c", folder, ...size, `bash --rcfile ${folder}/rc`);
  try {
    const screen = () => tmux("capture-pane", "-t", "evs", "-p");
    await prompts(screen, 1);
    for (const [i, line] of TYPED.entries()) {
      await tmux("send-keys", "-t", "evs", "-l", line);
      await tmux("send-keys", "-t", "evs", "Enter");
      await prompts(screen, i + 2);
    }
    return await tmux("capture-pane", "-t", "evs", "-p", "-e");
  } finally {
    await tmux("kill-server");
    await run("evs", ["daemon", "stop"], env);
  }
}

/** Waits until that many prompts stand on the screen. */
async function prompts(screen: () => Promise<string>, count: number): Promise<void> {
  for (let looks = 0; looks < 300; looks++) {
    if ((await screen()).split("\n").filter((line) => /^\$( |$)/.test(line)).length >= count) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the terminal did not come back to its prompt:\n${await screen()}`);
}

interface Style {
  colour?: string;
  bold: boolean;
  dim: boolean;
}

/** One line of a terminal as `tspan`s. */
function spans(line: string): string {
  let style: Style = { bold: false, dim: false };
  let out = "";
  // deno-lint-ignore no-control-regex -- what a terminal prints
  for (const [, codes, text] of line.matchAll(/(?:\x1b\[([\d;]*)m)?([^\x1b]*)/g)) {
    if (codes !== undefined) style = codes.split(";").reduce(apply, style);
    if (!text) continue;
    const attributes = [
      style.colour ? ` fill="${style.colour}"` : "",
      style.bold ? ' font-weight="bold"' : "",
      style.dim ? ' opacity="0.65"' : "",
    ].join("");
    out += `<tspan${attributes}>${escape(text)}</tspan>`;
  }
  return out;
}

function apply(style: Style, code: string): Style {
  const number = Number(code);
  if (number === 0) return { bold: false, dim: false };
  if (number === 1) return { ...style, bold: true };
  if (number === 2) return { ...style, dim: true };
  if (number >= 30 && number <= 37) return { ...style, colour: PALETTE[number - 30]! };
  if (number >= 90 && number <= 97) return { ...style, colour: PALETTE[number - 90]! };
  if (number === 39) return { ...style, colour: undefined };
  return style;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function draw(screen: string): string {
  const lines = screen.trimEnd().split("\n");
  // The prompt that waits for more is not part of the story.
  if (/^\$/.test(lines.at(-1)!)) lines.pop();
  const width = COLUMNS * 8.4 + 32;
  const height = lines.length * 19 + 52;
  const rows = lines.map((line, i) =>
    `<text x="16" y="${52 + i * 19}" xml:space="preserve">${spans(line)}</text>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="#e6edf3">
<title>Publishing five orders, looking at the dead letters of two, fixing the handler and sending them again</title>
<rect width="${width}" height="${height}" rx="10" fill="#0d1117"/>
<circle cx="20" cy="18" r="6" fill="#ff5f57"/><circle cx="40" cy="18" r="6" fill="#febc2e"/><circle cx="60" cy="18" r="6" fill="#28c840"/>
${rows.join("\n")}
</svg>
`;
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir({ prefix: "evs-picture-" });
  try {
    const screen = await record(folder);
    await Deno.writeTextFile(new URL("terminal.svg", import.meta.url), draw(screen));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
