/**
 * Every route of a real daemon, with requests that are valid, almost valid, and far from valid.
 * Each of them gets a response, every response is described by schemas/openapi.json, and none is an
 * unexpected error. After all of them the daemon is still the same process, healthy, and no larger,
 * and every route still serves a valid request.
 */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { type HttpHead, MessageReader } from "../../core/client/http_message.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { mebibytes, MIB, residentMemory } from "../helpers/measure.ts";
import { isClosed } from "../helpers/raw_connection.ts";
import { seed } from "../helpers/seed.ts";
import { STORES } from "../helpers/stores.ts";
import { cases, reproducible } from "./fuzz.ts";
import { type FuzzRequest, request, served } from "./http_grammar.ts";
import { visitEveryRoute } from "./http_tour.ts";
import { LEASE } from "./http_values.ts";

const file = "http_test.ts";
/** An answer that has not come by then does not come, ms. */
const DEADLINE = 60_000;
const AT_ONCE = 8;
/** Requests are generated this many at a time: those of a nightly run do not fit in memory. */
const PORTION = 500;
/** What memory may grow by from the warm daemon to the end. */
const GROWTH = 96 * MIB;

const openapi = JSON.parse(
  await Deno.readTextFile(new URL("../../schemas/openapi.json", import.meta.url)),
);

/** One connection after the other to one daemon. */
class Fuzzer {
  readonly #daemon: TestDaemon;
  #conn: Deno.UnixConn | undefined;
  #reader: MessageReader | undefined;
  /** The last lease in a reply. */
  #lease = "none";

  constructor(daemon: TestDaemon) {
    this.#daemon = daemon;
  }

  /** Sends one request and returns the status; undefined if the daemon closed without a reply. */
  async send(request: FuzzRequest): Promise<number | undefined> {
    if (!request.whole) this.close();
    this.#conn ??= await Deno.connect({ transport: "unix", path: this.#daemon.socket });
    this.#reader ??= new MessageReader(this.#conn);
    const timer = setTimeout(() => this.close(), DEADLINE);
    const begun = performance.now();
    try {
      const head = await this.#exchange(request);
      if (!request.whole || request.endless) this.close();
      return head?.status;
    } catch (error) {
      if (request.whole && performance.now() - begun >= DEADLINE) {
        throw new Error("no answer in time");
      }
      if (request.whole || !isBroken(error)) throw error;
      this.close();
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  async #exchange(request: FuzzRequest): Promise<HttpHead | undefined> {
    const [conn, reader] = [this.#conn!, this.#reader!];
    const bytes = withLease(request.bytes, this.#lease);
    try {
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
      // Nothing more comes: what is not whole is not waited for.
      if (!request.whole) await conn.closeWrite();
    } catch (error) {
      if (!isClosed(error)) throw error; // it was answered before it had all come
    }
    const head = await reader.head();
    if (!head) {
      this.close();
      if (request.whole) throw new Error("the daemon closed without an answer");
      return undefined;
    }
    // A request that only asks for another protocol is complete, too; a documented 5xx is allowed.
    if (request.whole || head.status >= 500) assertDocumented(request, head);
    if (request.endless && head.status === 200) return head;
    const hasBody = request.method !== "HEAD";
    let body = "";
    const decoder = new TextDecoder();
    if (hasBody) {
      for await (const part of reader.body(head)) body += decoder.decode(part, { stream: true });
    }
    this.#lease = /"lease":"([^"]{1,23})"/.exec(body)?.[1] ?? this.#lease;
    if (head.status >= 400 && hasBody) assertTold(head, body);
    if (head.headers.get("connection")?.toLowerCase() === "close") this.close();
    return head;
  }

  close(): void {
    const conn = this.#conn;
    this.#conn = this.#reader = undefined;
    try {
      conn?.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed already
    }
  }
}

/** The request with the lease in its place, as long as it was. */
function withLease(bytes: Uint8Array, lease: string): Uint8Array {
  const text = new TextDecoder("latin1").decode(bytes); // a character a byte
  const found = [...text.matchAll(new RegExp(`"${LEASE}"`, "g"))];
  if (found.length === 0) return bytes;
  const copy = bytes.slice();
  for (const { index } of found) {
    copy.set(new TextEncoder().encode(`"${lease}"`.padEnd(LEASE.length + 2)), index);
  }
  return copy;
}

function isBroken(error: unknown): boolean {
  return isClosed(error) || (error as { code?: string }).code === "daemon/connection-lost" ||
    error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted;
}

/** Asserts that the route documents this status: a 5xx only if it is listed. */
function assertDocumented({ route, method }: FuzzRequest, { status }: HttpHead): void {
  if (status >= 400 && status < 500) return;
  const [of, path] = route.split(" ");
  const as = method === "HEAD" ? "GET" : method;
  const responses = openapi.paths[path!]?.[as.toLowerCase()]?.responses ?? {};
  // A mutated path may be another route's: then any route may have it.
  const known = Object.hasOwn(responses, String(status)) ||
    (status < 300 && (of === as || method === "HEAD" || status === 200 || status === 201));
  assert.ok(known, `${status} is not described for ${method} ${path}`);
}

/** Asserts that an error has a code and a message. */
function assertTold({ status, headers }: HttpHead, body: string): void {
  assert.notEqual(body, "", `${status} without words: ${JSON.stringify([...headers])}`);
  const { error } = JSON.parse(body);
  assert.match(error.code, /^[a-z-]+\/[a-z0-9-]+$/);
  assert.ok(typeof error.message === "string" && error.message.length > 0);
}

async function metric(daemon: TestDaemon, name: string): Promise<number> {
  const { text } = await daemon.http("GET", "/metrics");
  return Number(new RegExp(`^${name} (.+)$`, "m").exec(text)![1]);
}

for (const store of STORES) {
  Deno.test(`daemon answers any request in time and in words and stays as it was, with the ${store} store`, async () => {
    await using daemon = await startDaemon({
      store,
      durability: "os",
      config: 'max_event_bytes = "64KiB"\n',
    });
    const every = served.map(({ method, path }) => `${method} ${path}`).sort();
    assert.deepEqual([...await visitEveryRoute(daemon)].sort(), every);
    const fuzzers = Array.from({ length: AT_ONCE }, () => new Fuzzer(daemon));
    const statuses = new Map<number | undefined, number>();
    const total = Math.ceil(cases(10_000) / STORES.length);
    let warm: { memory: number; descriptors: number } | undefined;
    let done = 0;
    try {
      for (let portion = 0; done < total; portion++) {
        const requests = fc.sample(request, {
          numRuns: Math.min(PORTION, total - done),
          seed: seed + portion,
        });
        const queue = requests.values();
        await Promise.all(fuzzers.map(async (fuzzer) => {
          for (const request of queue) {
            try {
              const status = await fuzzer.send(request);
              statuses.set(status, (statuses.get(status) ?? 0) + 1);
            } catch (cause) {
              const text = JSON.stringify(new TextDecoder().decode(request.bytes))
                .replaceAll(/(.)\1{99,}/g, "$1…").slice(0, 3000);
              throw new Error(`${request.route}, with ${text}: ${cause}`, { cause });
            }
          }
        }));
        done += requests.length;
        if (!warm && done >= total / 2) warm = measured(daemon);
      }
      const health = await daemon.http("GET", "/v1/health");
      assert.equal(health.status, 200, health.text);
      assert.equal(health.json.health, "ok");
      const log = await Deno.readTextFile(`${daemon.dataDir}/log/daemon.log`);
      const unexpected = log.split("\n").filter((line) => /"level":"error"/.test(line));
      assert.deepEqual(unexpected, [], "nothing was unforeseen");
      assert.equal(await metric(daemon, "evs_errors_total"), 0);
      assert.equal((await daemon.http("GET", "/v1/status")).json.pid, daemon.pid);
      // Each route is reached, not only refused.
      assert.deepEqual([...await visitEveryRoute(daemon)].sort(), every);
      assert.ok((statuses.get(400) ?? 0) > 0 && (statuses.get(200) ?? 0) > 0);
      fuzzers.forEach((fuzzer) => fuzzer.close());
      await assertNoLeak(daemon, warm!);
      await daemon.stop();
      assert.equal(daemon.stderr, "");
    } catch (cause) {
      throw reproducible(cause, file);
    } finally {
      fuzzers.forEach((fuzzer) => fuzzer.close());
    }
  });
}

/**
 * Resident memory, and descriptors except the files of the file store's topics, of which it keeps a
 * number open.
 */
function measured({ pid, dataDir }: TestDaemon): { memory: number; descriptors: number } {
  const paths = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) =>
    linkOf(`/proc/${pid}/fd/${name}`)
  );
  const others = paths.filter((path) => !path.startsWith(`${dataDir}/events/`));
  return { memory: residentMemory(pid), descriptors: others.length };
}

function linkOf(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return ""; // closed meanwhile
    throw error;
  }
}

/**
 * Connections and their descriptors go away; memory stays about where it was when the daemon was
 * warm.
 */
async function assertNoLeak(daemon: TestDaemon, warm: ReturnType<typeof measured>): Promise<void> {
  const deadline = performance.now() + DEADLINE;
  while (await metric(daemon, "evs_connections") > 1 || await metric(daemon, "evs_tails") > 0) {
    assert.ok(performance.now() < deadline, "connections and followers go with their clients");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const now = measured(daemon);
  assert.ok(
    now.descriptors <= warm.descriptors + 8,
    `${warm.descriptors}, then ${now.descriptors} descriptors`,
  );
  assert.ok(now.memory - warm.memory < GROWTH, `it grew by ${mebibytes(now.memory - warm.memory)}`);
}
