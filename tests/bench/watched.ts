/**
 * P14: what it costs to be watched: a scrape of `/metrics` each second, `evs top`, and what an open
 * dashboard asks for, against the same work of a daemon that nobody looks at and that keeps no
 * history. Both run in each round, in turn first.
 */
import { readHistory } from "../../core/client/history.ts";
import { Client } from "../../core/client/client.ts";
import { OurDaemon, runClient } from "./contenders.ts";
import { publishSmall, smallPublishes } from "./many_clients.ts";
import { type Bench, output, seconds, settle } from "./process.ts";
import { publishOurs } from "./publishing.ts";
import type { Result } from "./report.ts";
import { type Size, someOf } from "./workloads.ts";

/** How often a scraper, and an open page, ask, ms. */
const [SCRAPE, PAGE] = [1000, 2000];
const [WATCHED, ALONE] = ["watched", "not watched, without history"];

/** Looks at a daemon until it is disposed of. */
class Watchers implements AsyncDisposable {
  readonly #client: Client;
  readonly #timers: ReturnType<typeof setInterval>[];
  readonly #top: Deno.ChildProcess;
  #asked: Promise<unknown> = Promise.resolve();

  private constructor({ env }: Bench) {
    const client = this.#client = new Client({ socket: env["EVS_SOCKET"]! });
    const get = async (path: string) => {
      await (await client.fetch({ method: "GET", path })).bytes();
    };
    const page = async () => {
      for (const path of ["/v1/status", "/v1/overview", "/v1/topics"]) await get(path);
    };
    this.#timers = [
      setInterval(() => this.#ask(() => get("/metrics")), SCRAPE),
      setInterval(() => this.#ask(page), PAGE),
    ];
    this.#ask(() => readHistory(client));
    this.#top = new Deno.Command("script", {
      args: ["-qec", "evs top", "/dev/null"],
      env: { ...env, TERM: "xterm" },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  }

  /** Resolves when the first screen is there: its start is not the daemon's cost. */
  static async start(daemon: Bench): Promise<Watchers> {
    const watchers = new Watchers(daemon);
    const screen = watchers.#top.stdout.getReader();
    await screen.read();
    screen.releaseLock();
    void watchers.#top.stdout.pipeTo(new WritableStream());
    return watchers;
  }

  /** One after the other; a failure shows at the end. */
  #ask(work: () => Promise<unknown>): void {
    const before = this.#asked;
    this.#asked = before.then(work);
    this.#asked.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timers.forEach(clearInterval);
    const keys = this.#top.stdin.getWriter();
    await keys.write(new TextEncoder().encode("q"));
    await keys.close();
    const { success } = await this.#top.status;
    if (!success) throw new Error("evs top did not run to its end");
    await this.#asked;
    this.#client.close();
  }
}

/** Consumes everything that is stored, once. */
async function consume(bench: Bench, { events }: Size): Promise<number> {
  await using daemon = await OurDaemon.start(bench);
  await seconds(daemon.bench, "evs publish bench line --ndjson <lines");
  await settle(bench);
  const script = runClient("evs", '"$EVS_SOCKET"', "watched", String(events));
  return events / await seconds(daemon.bench, script);
}

/** P14, with the works of P1, P7 and P8. */
export async function beingWatched(bench: Bench, size: Size): Promise<Result[]> {
  const works: [title: string, run: (bench: Bench) => Promise<number>][] = [
    ["P1, file", async (bench) => size.events / await publishOurs(bench, "file")],
    ["P8, lease and ack", (bench) => consume(bench, size)],
  ];
  if (await output(bench, "command -v h2load") !== undefined) {
    works.push([
      "P7, sqlite",
      (bench) => publishSmall(bench, "sqlite", { count: smallPublishes(size) }),
    ]);
  } else size.say("h2load is not installed (apt-get install nghttp2-client): no P7 in P14");
  const ways: [name: string, bench: Bench][] = [
    [WATCHED, { ...bench, watch: (daemon) => Watchers.start(daemon) }],
    [ALONE, { ...bench, config: "history = false\n" }],
  ];
  const results: Result[] = [];
  for (const [title, run] of works) {
    const rates: Record<string, number[]> = { [WATCHED]: [], [ALONE]: [] };
    for (let round = 1; round <= 2 * size.rounds; round++) {
      size.say(`P14, ${title}, round ${round}`);
      for (const [name, of] of round % 2 === 0 ? ways : ways.toReversed()) {
        rates[name]!.push(await run(of));
      }
    }
    results.push({
      id: "P14",
      title: `being watched: ${title}`,
      unit: "events/s",
      lowerIsBetter: false,
      series: [WATCHED, ALONE].map((name) => ({ name, rounds: someOf(rates[name]) })),
      goals: [{ against: ALONE, ratio: 0.95 }],
    });
  }
  return results;
}
