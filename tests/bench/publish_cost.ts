/**
 * What a small publish costs: processor time of each thread of the daemon, microseconds a request,
 * of several checkouts by turns, so that it says something on a busy machine, too.
 *
 *     deno run -A tests/bench/publish_cost.ts --store sqlite --durability os --clients 64 OLD NEW
 */
// deno-lint-ignore-file no-console -- it prints what it has measured
import { parseArgs } from "node:util";
import { payload } from "./input.ts";

const { values, positionals } = parseArgs({
  options: {
    store: { type: "string", default: "sqlite" },
    durability: { type: "string", default: "os" },
    clients: { type: "string", default: "64" },
    /** Requests before anything is measured, and in each of the slices. */
    warm: { type: "string", default: "8000" },
    count: { type: "string", default: "2000" },
    slices: { type: "string", default: "10" },
  },
  allowPositionals: true,
});

interface Measured {
  checkout: string;
  env: Record<string, string>;
  pid: number;
  rates: number[];
  /** Microseconds a request by thread. */
  threads: Map<string, number[]>;
}

async function shell(command: string, env: Record<string, string>): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", { args: ["-c", command], env })
    .output();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

async function start(checkout: string, folder: string): Promise<Measured> {
  await Deno.mkdir(folder);
  await Deno.writeTextFile(`${folder}/config`, "");
  await Deno.writeTextFile(`${folder}/one`, payload(1));
  const env = {
    EVS_DATA_DIR: `${folder}/data`,
    EVS_SOCKET: `${folder}/s`,
    EVS_CONFIG: `${folder}/config`,
    FOLDER: folder,
  };
  const { store, durability } = values;
  await shell(`${checkout}/bin/evs daemon start --store ${store} --durability ${durability}`, env);
  const { pid } = JSON.parse(await shell(`${checkout}/bin/evs status --json`, env));
  return { checkout, env, pid, rates: [], threads: new Map() };
}

/** Nanoseconds of processor time that each thread has taken. */
function timesOf(pid: number): Map<string, number> {
  const times = new Map<string, number>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${name}`;
    const thread = Number(name) === pid ? "main" : Deno.readTextFileSync(`${folder}/comm`).trim();
    const [taken] = Deno.readTextFileSync(`${folder}/schedstat`).split(" ");
    times.set(thread, (times.get(thread) ?? 0) + Number(taken));
  }
  return times;
}

/** Publishes; returns how many a second. */
async function load({ env }: Measured, count: number): Promise<number> {
  const printed = await shell(
    `h2load --h1 --base-uri="unix:$EVS_SOCKET" -c ${values.clients} -n ${count} -d "$FOLDER/one" ` +
      `-H "content-type: application/json" "http://evs/v1/topics/bench/events?type=line"`,
    env,
  );
  if (!printed.includes(`status codes: ${count} 2xx`)) throw new Error(printed);
  return Number(/([\d.]+) req\/s/.exec(printed)![1]);
}

async function measure(one: Measured): Promise<void> {
  const count = Number(values.count);
  const before = timesOf(one.pid);
  one.rates.push(await load(one, count));
  let all = 0;
  const note = (thread: string, ns: number) => {
    const of = one.threads.get(thread) ?? [];
    one.threads.set(thread, [...of, ns / count / 1000]);
  };
  for (const [thread, time] of timesOf(one.pid)) {
    const taken = time - (before.get(thread) ?? 0);
    all += taken;
    note(thread, taken);
  }
  note("all", all);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const folder = await Deno.makeTempDir({ prefix: "evs-cost-" });
const all: Measured[] = [];
try {
  for (const [i, checkout] of positionals.entries()) {
    const one = await start(checkout, `${folder}/${i}`);
    all.push(one);
    await load(one, Number(values.warm));
  }
  for (let slice = 0; slice < Number(values.slices); slice++) {
    for (const one of slice % 2 === 0 ? all : all.toReversed()) await measure(one);
  }
  for (const { checkout, rates, threads } of all) {
    const times = [...threads].filter(([, of]) => median(of) >= 0.1);
    const told = times.map(([thread, of]) => `${thread} ${median(of).toFixed(1)}`).join(", ");
    console.log(`${checkout}: ${told}; ${median(rates).toFixed(0)} a second`);
  }
} finally {
  for (const { checkout, env } of all) await shell(`${checkout}/bin/evs daemon stop`, env);
  await Deno.remove(folder, { recursive: true });
}
