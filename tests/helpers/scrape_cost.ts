/**
 * What a scrape of `/metrics` with many subscriptions costs the daemon, and what it costs a plain
 * server to make and send a text of as many lines: processor time, which other work on the machine
 * changes little, and the same for both where it does.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "./daemon.ts";
import { processorTime } from "./measure.ts";
import { metricsOf } from "./metrics.ts";

/** Lines of `/metrics` for each subscription: ten numbers, and a distribution of thirteen lines. */
const LINES_EACH = 23;
/** What is measured in turn: requests to the one, then to the other. */
const [TURNS, REQUESTS] = [8, 25];

/** Processor time of one request, ms. */
export interface ScrapeCost {
  scrape: number;
  plain: number;
}

/** A daemon with subscriptions, and the plain server. */
export class ScrapeCosts implements AsyncDisposable {
  readonly #daemon: TestDaemon;
  readonly #plain: Deno.ChildProcess;
  readonly #client: Deno.HttpClient;

  private constructor(daemon: TestDaemon, plain: Deno.ChildProcess, socket: string) {
    this.#daemon = daemon;
    this.#plain = plain;
    this.#client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  }

  /** Starts both. Each subscription has something pending, in flight and acknowledged. */
  static async start(subscriptions: number): Promise<ScrapeCosts> {
    const daemon = await startDaemon({ store: "memory" });
    const socket = `${daemon.folder}/plain.sock`;
    const plain = await startPlain(socket, LINES_EACH * subscriptions);
    const costs = new ScrapeCosts(daemon, plain, socket);
    try {
      await subscribe(daemon, subscriptions);
      // Both have been compiled, and their heaps have grown, before anything is measured.
      await costs.take();
    } catch (error) {
      await costs[Symbol.asyncDispose]();
      throw error;
    }
    return costs;
  }

  /** Measures both, in turn. */
  async take(): Promise<ScrapeCost> {
    const sum = { scrape: 0, plain: 0 };
    for (let turn = 0; turn < TURNS; turn++) {
      sum.scrape += await this.#timeOf(this.#daemon.pid, async () => {
        assert.equal((await this.#daemon.http("GET", "/metrics")).status, 200);
      });
      sum.plain += await this.#timeOf(this.#plain.pid, async () => {
        await (await fetch("http://localhost/", { client: this.#client })).text();
      });
    }
    const requests = TURNS * REQUESTS;
    return { scrape: sum.scrape / requests, plain: sum.plain / requests };
  }

  async #timeOf(pid: number, request: () => Promise<void>): Promise<number> {
    const before = processorTime(pid);
    for (let n = 0; n < REQUESTS; n++) await request();
    return processorTime(pid) - before;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    this.#plain.kill("SIGKILL");
    await this.#plain.status;
    await this.#daemon[Symbol.asyncDispose]();
  }
}

async function startPlain(socket: string, lines: number): Promise<Deno.ChildProcess> {
  const script = decodeURIComponent(new URL("text_server.ts", import.meta.url).pathname);
  // With a young generation as small as the daemon's: see V8_FLAGS of core/client/launch.ts.
  const flags = ["--quiet", "--no-config", "-A", "--v8-flags=--max-semi-space-size=4"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, script, socket, String(lines)],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  await reader.cancel();
  assert.ok(!done, "the plain server did not start");
  return child;
}

async function subscribe(at: TestDaemon, count: number): Promise<void> {
  const topics = count / 10;
  for (let topic = 0; topic < topics; topic++) await at.publish(`t${topic}`, "n", 1, 2, 3);
  const each = async (work: (n: number) => Promise<unknown>) => {
    for (let from = 0; from < count; from += 50) {
      await Promise.all(
        Array.from({ length: Math.min(50, count - from) }, (_, n) => work(from + n)),
      );
    }
  };
  await each((n) => at.http("PUT", `/v1/subscriptions/s${n}`, { topic: `t${n % topics}` }));
  await each(async (n) => {
    const { json } = await at.http("POST", `/v1/subscriptions/s${n}/lease`, { max: 2 });
    const [{ lease }] = json.deliveries;
    await at.http("POST", `/v1/subscriptions/s${n}/ack`, { leases: [lease] });
  });
  const samples = [...(await metricsOf(at)).keys()];
  assert.equal(samples.filter((name) => /handler_seconds_count/.test(name)).length, count);
}
