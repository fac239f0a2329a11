/**
 * What one append of one event takes a store in this process, durability `os`, by turns in several
 * checkouts: the median of each round, microseconds. With the permissions of a daemon, because the
 * runtime checks paths only where they are limited. Not part of `deno task bench`.
 * `lone_append.ts STORE packed|plain COUNT PAUSE_MS ROUNDS CHECKOUT...`
 */
const OWN = decodeURIComponent(new URL(import.meta.url).pathname);
const WARM = 300;

/** The median of one round. */
async function measure(
  checkout: string,
  [store, form, count, pause, folder]: string[],
): Promise<number> {
  const load = (path: string) => import(`file://${checkout}/core/store/${path}`);
  const { pack } = await load("pack.ts");
  const { FileEventStore } = await load("file/file_event_store.ts");
  const { SqliteEventStore } = await load("sqlite/sqlite_event_store.ts");
  const opened = store === "file"
    ? new FileEventStore(`${folder}/events`, { durability: "os" })
    : new SqliteEventStore(`${folder}/events.db`, { durability: "os" });
  const payload = new TextEncoder().encode(JSON.stringify({ a: "x".repeat(170) }));
  const times: number[] = [];
  for (let n = 0; n < WARM + Number(count); n++) {
    const event = {
      id: `01a22d57-2b08-7000-8000-${String(n).padStart(12, "0")}`,
      idGiven: false,
      type: "line",
      timestamp: Date.now(),
      schemaVersion: "1.0",
      metadata: "{}",
      payload,
    };
    const request = { topic: "bench", events: [event] };
    const requests = [form === "packed" ? pack(request) : request];
    const began = performance.now();
    await opened.append(requests);
    if (n >= WARM) times.push((performance.now() - began) * 1000);
    if (Number(pause) > 0) await new Promise((resolve) => setTimeout(resolve, Number(pause)));
  }
  await opened.close();
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function inOwnProcess(checkout: string, args: string[]): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "evs-lone-" });
  const limited = [`--allow-read=${folder},${checkout}`, `--allow-write=${folder}`];
  const flags = ["--quiet", "--no-check", "--no-prompt", ...limited, "--allow-sys=uid,statfs"];
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, OWN, "--round", checkout, ...args, folder],
    stderr: "inherit",
  }).output();
  await Deno.remove(folder, { recursive: true });
  return new TextDecoder().decode(stdout).trim();
}

if (Deno.args[0] === "--round") {
  const [, checkout = "", ...args] = Deno.args;
  print((await measure(checkout, args)).toFixed(1));
} else {
  const [store = "", form = "", count = "", pause = "", rounds = "", ...checkouts] = Deno.args;
  const medians = new Map<string, string[]>(checkouts.map((checkout) => [checkout, []]));
  for (let round = 0; round < Number(rounds); round++) {
    for (const [checkout, own] of medians) {
      own.push(await inOwnProcess(checkout, [store, form, count, pause]));
    }
  }
  for (const [checkout, own] of medians) print([checkout, ...own].join(" "));
}
