/**
 * `deno task soak --minutes 30`: publishers, a tail, a consumer, retention, schema changes and
 * restarts of the daemon (alternately clean and by kill -9), while its memory, descriptors and
 * waits are sampled each second. Draws them, says whether they are flat, and exits with 1 if they
 * are not or if anything was lost.
 */
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { descriptors, MIB, p99, residentMemory } from "../helpers/measure.ts";
import { changeOn, consumeOn, Ledger, pause, prepare, publishOn, tailOn } from "./actors.ts";
import { chart } from "./chart.ts";
import { SyncProbe } from "./probe.ts";
import { findings, type Sample } from "./verdict.ts";

const PUBLISHERS = 4;
/** Lives of the daemon in one soak. */
export const LIVES = 6;
/** How long what is left may take to arrive when the publishers have ended, ms. */
const PATIENCE = 60_000;

/** What a soak is asked for. */
export interface SoakOptions {
  /** It runs longer if the machine needs longer for all restarts and for {@link least}. */
  minutes: number;
  /** Events that are followed at least. Default: none. */
  least?: number;
  store: string;
  say(text: string): void;
}

/** What it found. */
export interface SoakResult {
  samples: Sample[];
  ledger: Ledger;
  restarts: number;
  missed: number;
}

/** Runs one soak. */
export async function soak({ minutes, least = 0, store, say }: SoakOptions): Promise<SoakResult> {
  await using daemon = await startDaemon({ store });
  await prepare(daemon.socket);
  const ending = new AbortController();
  const tailing = new AbortController();
  const ledger = new Ledger(PUBLISHERS);
  const stage = { socket: daemon.socket, signal: ending.signal, ledger };
  const all = (seen: number[]) => ledger.acknowledged.every((n, p) => seen[p]! >= n);
  const publishers = Array.from({ length: PUBLISHERS }, (_, p) => publishOn(stage, p));
  const tail = tailOn({ ...stage, signal: tailing.signal });
  // What is acknowledged last is consumed too.
  let published = false;
  const consumer = consumeOn(stage, () => published && all(ledger.consumed));
  const changes = changeOn(stage, Math.min(5000, minutes * 10_000));
  // Any failure ends the soak, so that nothing continues unnoticed.
  const failed = Promise.all([...publishers, tail, consumer, changes]).then(() => {});
  failed.catch(() => ending.abort());

  const { samples, restarts } = await watch(daemon, {
    minutes,
    least,
    ledger,
    say,
    signal: ending.signal,
  });
  ending.abort();
  await Promise.race([Promise.all([...publishers, changes]), failed]);
  published = true;
  const began = performance.now();
  while (!all(ledger.consumed) || !all(ledger.tailed)) {
    if (performance.now() - began > PATIENCE) {
      ledger.losses.push(
        `acknowledged ${ledger.acknowledged}, consumed ${ledger.consumed}, tailed ${ledger.tailed}`,
      );
      break;
    }
    await pause(50);
  }
  tailing.abort();
  await Promise.race([failed, pause(5000)]);
  const info = (await daemon.http("GET", "/v1/subscriptions/soak")).json;
  const missed = info.missed.reduce((sum: number, { count }: { count: number }) => sum + count, 0);
  await daemon.stop();
  return { samples, ledger, restarts, missed };
}

/** Looks each second, and restarts the daemon now and then. */
async function watch(
  daemon: TestDaemon,
  { minutes, least, ledger, say, signal }: {
    minutes: number;
    least: number;
    ledger: Ledger;
    say(text: string): void;
    signal: AbortSignal;
  },
): Promise<{ samples: Sample[]; restarts: number }> {
  const samples: Sample[] = [];
  using control = new SyncProbe(`${daemon.folder}/probe`);
  const [began, seconds] = [performance.now(), minutes * 60];
  let life = 1;
  const isOver = (at: number) => at >= seconds && life === LIVES && ledger.lastSeq >= least;
  for (let at = 0; !isOver(at) && !signal.aborted;) {
    await pause(1000, signal);
    at = (performance.now() - began) / 1000;
    const waits = ledger.waits.splice(0);
    const syncs = await control.look();
    samples.push({
      at,
      life,
      rss: residentMemory(daemon.pid) / MIB,
      descriptors: descriptors(daemon.pid),
      p99: waits.length > 0 ? p99(waits) : undefined,
      control: p99(syncs),
    });
    // All restarts are in the first half: the last life is long enough to show a leak.
    if (life === LIVES || at < seconds / 2 * life / (LIVES - 1)) continue;
    const how = life % 2 === 1 ? "SIGTERM" : "SIGKILL";
    say(`${at.toFixed(0)} s: ${ledger.lastSeq} events, ${how}`);
    await daemon.kill(how);
    await daemon.start();
    life++;
  }
  return { samples, restarts: life - 1 };
}

/** The summary's lines, and whether all is well. */
export function summary(result: SoakResult): { lines: string[]; ok: boolean } {
  const { samples, ledger, restarts, missed } = result;
  const found = findings(samples);
  const lines = [
    `${samples.at(-1)!.at.toFixed(0)} s, ${restarts} restarts, ${ledger.lastSeq} events followed, ${
      ledger.acknowledged.reduce((sum, n) => sum + n, 0)
    } acknowledged, ${ledger.repeats} seen again, ${ledger.deadLettered} dead-lettered, ` +
    `${ledger.schemaChanges} schema changes, ${ledger.refused} refused`,
    ...found.map(({ name, unit, early, late, flat }) =>
      `${name}: ${told(early, unit)} early, ${told(late, unit)} late: ${flat ? "flat" : "NOT FLAT"}`
    ),
    `lost: ${ledger.losses.length}, missed by retention: ${missed}`,
    ...ledger.losses.slice(0, 20),
  ];
  const ok = ledger.losses.length === 0 && missed === 0 && found.every(({ flat }) => flat);
  return { lines, ok };
}

function told(value: number | undefined, unit: string): string {
  return value === undefined ? "no samples" : `${value.toFixed(1)} ${unit}`.trimEnd();
}

function argument(name: string, otherwise: string): string {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? otherwise : Deno.args[at + 1] ?? otherwise;
}

if (import.meta.main) {
  const minutes = Number(argument("minutes", "30"));
  const store = argument("store", "sqlite");
  const out = argument(
    "out",
    `tests/soak/results${store === "sqlite" ? "" : `-${store}`}.svg`,
  );
  const write = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  const result = await soak({ minutes, store, say: write });
  const { lines, ok } = summary(result);
  const command = `deno task soak --minutes ${minutes}${
    store === "sqlite" ? "" : ` --store ${store}`
  }`;
  await Deno.writeTextFile(out, chart(result.samples, command));
  for (const line of lines) write(line);
  const curves = findings(result.samples).map(({ name, flat }) =>
    `${name} ${flat ? "flat" : "NOT FLAT"}`
  );
  write(
    `${command}: ${result.ledger.lastSeq} events, ${result.restarts} restarts, ${
      curves.join(", ")
    }, ${result.ledger.losses.length} lost, ${result.missed} missed: ${
      ok ? "all is well" : "NOT WELL"
    }; ${out}`,
  );
  Deno.exit(ok ? 0 : 1);
}
