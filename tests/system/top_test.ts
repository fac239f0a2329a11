/**
 * `evs top` in a real terminal (tmux): what it shows of hostile names at two sizes, each key, the
 * terminal as it was after every way to end, Ctrl-Z, other sizes, a daemon that goes and comes.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { until } from "../helpers/evs.ts";
import { Tmux } from "../helpers/tmux.ts";

const HOUR = 3_600_000;
const FOOT = "q quit  ? help";
/** What a terminal obeys, measures differently, or shows on a neighbour. */
const EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e日本👩‍👩‍👧‍👦e\u0301\u0301 \u0301 ☎️ end";

async function request(daemon: TestDaemon, method: string, path: string, body?: unknown) {
  const answer = await daemon.http(method, path, body);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
  return answer.json;
}

/** `mailer` is behind, has an event in flight, a retry and a dead letter, all with hostile texts. */
async function fill(daemon: TestDaemon): Promise<void> {
  const backoff = { kind: "fixed", base: HOUR, max: HOUR, jitter: false };
  for (const [name, topic] of [["mailer", "orders"], ["reports", "users"]]) {
    await request(daemon, "PUT", `/v1/subscriptions/${name}`, { topic, settings: { backoff } });
  }
  const events = [1, 2, 3, 4, 5].map((n) => ({ type: "placed", payload: { n, text: EVIL } }));
  await request(daemon, "POST", "/v1/topics/orders/events", events);
  const lease = async () => {
    const consumer = { id: "c:1", pid: 4711, command: EVIL };
    const body = { max: 1, leaseMs: HOUR, consumer };
    return (await request(daemon, "POST", "/v1/subscriptions/mailer/lease", body)).deliveries[0]
      .lease;
  };
  const dead = { lease: await lease(), error: `CardError: ${EVIL}`, dead: true };
  const failed = { lease: await lease(), error: "no network" };
  await request(daemon, "POST", "/v1/subscriptions/mailer/nack", { deliveries: [dead, failed] });
  await lease();
}

/** The id of the only cause of dead letters. */
async function groupOf(daemon: TestDaemon): Promise<string> {
  const { groups } = await request(daemon, "GET", "/v1/dead-letter-groups");
  return groups[0].id;
}

/** The line of a screen that begins with a word. */
function lineOf(screen: string, word: string): string {
  return screen.split("\n").find((line) => line.startsWith(word)) ?? "";
}

Deno.test("evs top shows what there is at 80x24 and 200x60, whatever names and payloads contain", async () => {
  await using daemon = await startDaemon();
  await fill(daemon);
  for (const [columns, rows] of [[80, 24], [200, 60]] as const) {
    await using terminal = await Tmux.start({ columns, rows, at: daemon });
    const title = await terminal.run("display-message", "-p", "#{pane_title}");
    await terminal.type("evs top --every 300ms");
    const hour = columns === 80 ? "" : "LAG IN THE LAST HOUR";
    const screen = await terminal.screen((text) =>
      text.includes(FOOT) && text.includes("Card") && text.includes(hour)
    );
    const lines = screen.split("\n");
    assert.match(lines[0]!, /^evs top {2}ok {2}\S+ {2}pid \d+ {2}up /);
    assert.match(lines[1]!, /1 dead letter {3}1 retry {3}5 events/);
    assert.match(lines[2]!, /^disk .* free \(\d+%\) {3}memory .* connections/);
    const mailer = lineOf(screen, "mailer");
    assert.match(mailer, columns === 80 ? /#1 4711 orders 3 / : /#1 pid 4711 orders 3 \\e\[2J/);
    const end = columns === 80 ? /\b(5\dm|1h) +1$/ : /\b(5\dm|1h) +1 +█$/;
    assert.match(mailer, end, "the retry and the dead letter stand in their columns");
    assert.match(lineOf(screen, "reports"), /^reports +\S+ +0 +- - +- +0( +·)?$/);
    assert.match(lineOf(screen, "     1"), /CardError: \\e\[\*J\\e\]\*;owned\\u0007/);
    assert.equal(await terminal.run("display-message", "-p", "#{pane_title}"), title);
    await terminal.press("Tab", "e");
    await terminal.screen((text) => text.includes("evs dlq show mailer:"));
    await terminal.press("y");
    const shown = await terminal.screen((text) => text.startsWith("evs dlq show"));
    assert.match(shown, /^evs dlq show mailer:\S+ --topic orders\n-+\n/);
    assert.match(shown, /owned\\u0007/);
    assert.equal(await terminal.run("display-message", "-p", "#{pane_title}"), title);
    await terminal.press("q");
    await terminal.screen((text) => text.includes(FOOT));
    await terminal.press("q");
    await terminal.screen((text) => text.includes("ready>") && !text.includes(FOOT));
  }
});

Deno.test("evs top pauses, resumes, retries and shows after a yes, and says which command does it", async () => {
  await using daemon = await startDaemon();
  await fill(daemon);
  await using terminal = await Tmux.start({ columns: 80, rows: 24, at: daemon });
  await terminal.type("evs top --every 300ms");
  await terminal.screen((text) => text.includes(FOOT));
  const ask = async (keys: string[], command: string) => {
    await terminal.press(...keys);
    await terminal.screen((text) => text.includes(command) && text.includes("y yes   n no"));
  };
  const isPaused = async () =>
    (await request(daemon, "GET", "/v1/subscriptions/mailer")).paused as boolean;

  await ask(["p"], "evs subscription pause mailer");
  await terminal.press("n");
  await terminal.screen((text) => text.includes(FOOT));
  assert.equal(await isPaused(), false);
  await ask(["p"], "evs subscription pause mailer");
  await terminal.press("y");
  await terminal.screen((text) => text.includes("mailer is paused"));
  await until(isPaused);
  await terminal.screen((text) => lineOf(text, "mailer").includes("paused "));
  await ask(["r"], "evs subscription resume mailer");
  await terminal.press("y");
  await terminal.screen((text) => text.includes("mailer is resumed"));
  assert.equal(await isPaused(), false);

  await ask(["e"], "evs get orders 3");
  await terminal.press("y");
  await terminal.screen((text) => /^evs get orders 3\n-+\n\{\n {2}"seq": 3,/.test(text));
  await terminal.press("q");
  await ask(["Tab", "t"], `evs dlq retry --group ${await groupOf(daemon)}`);
  await terminal.press("y");
  await terminal.screen((text) => text.includes("sent again: 1 dead letter"));
  await terminal.screen((text) =>
    text.includes("   0 dead letters") && !text.includes("CardError")
  );

  await terminal.press("?");
  await terminal.screen((text) => text.includes("evs top: what the daemon is doing"));
  await terminal.press("x");
  await terminal.press("/", "r", "e", "p", "o");
  await terminal.screen((text) => text.includes("filter: repo") && lineOf(text, "mailer") === "");
  await terminal.press("Enter", "Escape", "s");
  await terminal.screen((text) => text.includes("2 by age") && lineOf(text, "mailer") !== "");
});

/** Ways to end, and the exit code that the shell tells. */
const ENDS: [string, number, (terminal: Tmux, pid: number) => unknown][] = [
  ["q", 0, (terminal) => terminal.press("q")],
  ["Ctrl-C", 130, (terminal) => terminal.press("C-c")],
  ["SIGTERM", 143, (_terminal, pid) => Deno.kill(pid, "SIGTERM")],
  ["SIGHUP", 129, (_terminal, pid) => Deno.kill(pid, "SIGHUP")],
];

Deno.test("evs top leaves the terminal as it was, however it ends", async (t) => {
  await using daemon = await startDaemon();
  await fill(daemon);
  await using terminal = await Tmux.start({ columns: 80, rows: 24, at: daemon });
  const settings = await terminal.output("stty -g");
  const modes = await terminal.modes();
  assert.match(settings, /^[0-9a-f]+(:[0-9a-f]+)+$/);
  for (const [name, code, end] of ENDS) {
    await t.step(name, async () => {
      await terminal.type("clear; echo kept; evs top; echo code $?");
      await terminal.screen((text) => text.includes(FOOT));
      assert.match(
        await terminal.modes(),
        /alternate_on=1 cursor_flag=0 wrap_flag=0 mouse_any_flag=0/,
      );
      await end(terminal, await pidOfTop(daemon));
      await terminal.screen((text) => text.trimEnd() === `kept\ncode ${code}\nready>`);
      assert.equal(await terminal.output("stty -g"), settings);
      assert.equal(await terminal.modes(), modes);
    });
  }
});

/** The process of `evs top` that uses this daemon. */
async function pidOfTop(daemon: TestDaemon): Promise<number> {
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const words = (await Deno.readTextFile(`/proc/${name}/cmdline`)).split("\0");
      const at = words.findIndex((word) => word.endsWith("/cli.ts"));
      const environment = await Deno.readTextFile(`/proc/${name}/environ`);
      if (words[at + 1] === "top" && environment.includes(daemon.socket)) return Number(name);
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) continue;
      if (!(error instanceof Deno.errors.NotFound || /os error 3/.test(String(error)))) throw error;
    }
  }
  throw new Error("evs top does not run");
}

Deno.test("evs top gives the terminal to the shell on Ctrl-Z, and goes on with fg at any size", async () => {
  await using daemon = await startDaemon();
  await fill(daemon);
  await using terminal = await Tmux.start({ columns: 80, rows: 24, at: daemon });
  const settings = await terminal.output("stty -g");
  const modes = await terminal.modes();
  await terminal.type("evs top --every 300ms");
  await terminal.screen((text) => text.includes(FOOT));
  await terminal.press("C-z");
  await terminal.screen((text) => text.includes("Stopped") && text.includes("ready>"));
  assert.equal(await terminal.output("stty -g"), settings);
  assert.equal(await terminal.modes(), modes);
  await terminal.run("resize-window", "-x", "120", "-y", "30");
  await terminal.type("fg");
  const isWhole = (text: string, rows: number, columns: number) => {
    const lines = text.trimEnd().split("\n");
    const right = lines[0]!.trimEnd().length;
    return lines.length === rows && lines.at(-1)!.startsWith(FOOT) && right === columns;
  };
  await terminal.screen((text) => isWhole(text, 30, 120));
  await terminal.run("resize-window", "-x", "90", "-y", "20");
  await terminal.screen((text) => isWhole(text, 20, 90));
  await terminal.press("q");
  await terminal.screen((text) => text.includes("ready>") && !text.includes(FOOT));
  assert.equal(await terminal.output("stty -g"), settings);
});

Deno.test("evs top says that the daemon has gone, and shows it when it is back", async () => {
  await using daemon = await startDaemon();
  await fill(daemon);
  await using terminal = await Tmux.start({ columns: 80, rows: 24, at: daemon });
  await terminal.type("evs top --every 300ms");
  await terminal.screen((text) => text.includes(`pid ${daemon.pid} `));
  await daemon.kill();
  const gone = await terminal.screen((text) => text.includes("no daemon since"));
  assert.match(gone, /^mailer /m, "what was known last stays");
  await daemon.start();
  const back = await terminal.screen((text) => text.includes(`pid ${daemon.pid} `));
  assert.doesNotMatch(back, /no daemon since/);
  await terminal.press("q");
  await terminal.screen((text) => text.includes("ready>") && !text.includes(FOOT));
});

Deno.test("evs top refuses a dumb terminal and names what works there, and NO_COLOR takes the colours", async () => {
  await using daemon = await startDaemon();
  await fill(daemon);
  await using terminal = await Tmux.start({ columns: 80, rows: 24, at: daemon });
  const refused = await terminal.output("TERM=dumb evs top; echo code $?");
  assert.match(refused, /TERM is dumb.*evs top --once.*code 2/);
  const once = await terminal.output("TERM=dumb evs top --once");
  assert.match(once, /SUBSCRIPTION.*mailer.*CAUSE.*CardError|SUBSCRIPTION.*mailer/);
  const colours = async (line: string) => {
    await terminal.type(line);
    const screen = await terminal.screen((text) => text.includes(FOOT), { colours: true });
    await terminal.press("q");
    await terminal.screen((text) => text.includes("ready>") && !text.includes(FOOT));
    // deno-lint-ignore no-control-regex -- colours of text
    return /\x1b\[[0-9;]*3[0-7]m/.test(screen);
  };
  assert.equal(await colours("evs top"), true);
  assert.equal(await colours("NO_COLOR=1 evs top"), false);
});
