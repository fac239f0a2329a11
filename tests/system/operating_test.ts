/**
 * Runs docs/operating.md: its `sh` blocks run in order, its `console` blocks are typed into a real
 * terminal (tmux) of 80 columns, and the screen is compared with the page. Commands that nobody
 * should copy, such as damaging a disk, are in comments that begin with `sh` and run unseen.
 * Questions are answered with "n". Ids, times and durations are folded on both sides. With
 * EVS_WRITE_SCREENS=1 the screens are written into the page instead.
 */
import assert from "node:assert/strict";
import { needTools, Place, project } from "../helpers/shell.ts";

const PAGE = `${project}/docs/operating.md`;
const BLOCK = /^(?:```|<!-- )(\w+)\n([^]*?)^(?:```|-->)$/gm;
const END = "[the command ended with ";

/** Shows a command's screen as a terminal of 80 columns has it. */
async function screenOf(place: Place, command: string): Promise<string> {
  const name = `evs-test-${crypto.randomUUID()}`;
  const tmux = (...args: string[]) =>
    new Deno.Command("tmux", {
      args: ["-L", name, "-f", "/dev/null", ...args],
      cwd: `${place.folder}/work`,
      env: { ...place.env, TERM: "screen", EVS_TEST_COMMAND: command },
      clearEnv: true,
      stdin: "null",
    }).output();
  const script = `eval "$EVS_TEST_COMMAND"; printf '\\n${END}%s]' $?; exec sleep 60`;
  await tmux("new-session", "-d", "-x", "80", "-y", "100", "sh", "-c", script);
  let answered = false;
  try {
    for (;;) {
      const { stdout, success } = await tmux("capture-pane", "-p");
      assert.ok(success, "the terminal is gone");
      const screen = new TextDecoder().decode(stdout);
      if (!answered && screen.trimEnd().endsWith("[y/N]")) {
        answered = true;
        await tmux("send-keys", "n", "Enter");
      }
      const end = screen.indexOf(END);
      if (end >= 0) return screen.slice(0, end).trimEnd();
    }
  } finally {
    await tmux("kill-server");
  }
}

/** What differs from run to run, folded; a column's width goes with it. */
function fold(screen: string): string {
  return screen
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, "ID")
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d/g, "TIME")
    .replace(/(?<![\w.:])(?:now|\d+(?:ms|s|m))(?= )/g, "DURATION")
    .replace(/\bprocess \d+/g, "process PID")
    .replace(/\b\d+ KiB/g, "SIZE")
    .replace(/ +/g, " ")
    .split("\n").map((line) => line.trimEnd()).join("\n");
}

Deno.test("docs/operating.md shows what a terminal of 80 columns shows", async () => {
  needTools("jq", "tmux");
  const writes = Deno.env.get("EVS_WRITE_SCREENS") === "1";
  const page = await Deno.readTextFile(PAGE);
  await using place = await Place.make();
  let written = page;
  let screens = 0;
  for (const { 0: block, 1: language, 2: code = "", index } of page.matchAll(BLOCK)) {
    const line = page.slice(0, index).split("\n").length;
    if (language === "sh") {
      await place.run(code);
    } else if (language === "console") {
      const [typed = "", ...shown] = code.trimEnd().split("\n");
      assert.ok(typed.startsWith("$ "), `line ${line}: a screen begins with what is typed`);
      const screen = (await screenOf(place, typed.slice(2)))
        .replaceAll(`${place.folder}/home`, "/home/ada");
      screens++;
      assert.ok(screen.split("\n").every((text) => text.length <= 80));
      const fresh = `\`\`\`console\n${typed}\n${screen === "" ? "" : `${screen}\n`}\`\`\``;
      if (writes) written = written.replace(block, () => fresh);
      else assert.equal(fold(screen), fold(shown.join("\n")), `line ${line}: ${typed}`);
    } else {
      assert.equal(language, "toml", `line ${line}`);
    }
  }
  assert.ok(screens > 8);
  if (writes) await Deno.writeTextFile(PAGE, written);
});
