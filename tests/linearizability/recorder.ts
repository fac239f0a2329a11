/**
 * Records a history: some clients of a real daemon append, expect and read, over its socket and
 * through a proxy that cuts connections, while the daemon is killed, started again and stopped for a
 * while. What got no answer is recorded as such, and in most cases asked again under its id.
 */
import { Client } from "../../core/client/client.ts";
import {
  ConflictError,
  ConnectionLostError,
  NoDaemonError,
  NotFoundError,
  RemoteError,
} from "../../core/base/errors.ts";
import type { TestDaemon } from "../helpers/daemon.ts";
import { randomFrom } from "../helpers/flip.ts";
import { LossyProxy } from "../helpers/lossy_proxy.ts";
import type { Ask, Expected, Operation, Told } from "./history.ts";

/** How a history is recorded. */
export interface Recording {
  seed: number;
  clients: number;
  /** How many requests each client has answered at least. */
  each: number;
  /** What happens meanwhile, evenly spread; nothing if there are none. */
  faults: readonly Fault[];
}

/** Something that happens to the daemon or to the connections to it. */
export type Fault = "kill" | "stop" | "cut" | "lose answers";

const KEYS = [undefined, undefined, "k", "l"];
/** So many topics are asked about at a time; the later ones are new after every fault but one. */
const TOPICS = 3;
/** How long a stopped daemon stands still, ms. */
const STANDSTILL = 200;

/** Records one history. */
export async function record(daemon: TestDaemon, recording: Recording): Promise<Operation[]> {
  await using proxy = new LossyProxy(`${daemon.folder}/proxy.sock`, daemon.socket);
  return await new Recorder(daemon, proxy, recording).run();
}

class Recorder {
  readonly #daemon: TestDaemon;
  readonly #proxy: LossyProxy;
  readonly #recording: Recording;
  readonly #random: (below: number) => number;
  readonly #operations: Operation[] = [];
  #answered = 0;
  /** How many faults there were. */
  #round = 0;
  /** Resolved while the daemon is there. */
  #serving: Promise<void> = Promise.resolve();
  #answers = Promise.withResolvers<void>();

  constructor(daemon: TestDaemon, proxy: LossyProxy, recording: Recording) {
    this.#daemon = daemon;
    this.#proxy = proxy;
    this.#recording = recording;
    this.#random = randomFrom(recording.seed);
  }

  async run(): Promise<Operation[]> {
    const { clients, faults } = this.#recording;
    const all = Promise.all(Array.from({ length: clients }, (_, client) => this.#client(client)));
    const step = this.#total / (faults.length + 1);
    for (const [i, fault] of faults.entries()) {
      await Promise.race([this.#reach((i + 1) * step), all]);
      await this.#fault(fault);
      this.#round++;
    }
    await all;
    return this.#operations;
  }

  get #total(): number {
    return this.#recording.clients * this.#recording.each;
  }

  /** Resolves when so many requests were answered. */
  async #reach(count: number): Promise<void> {
    while (this.#answered < count) await this.#answers.promise;
  }

  async #fault(fault: Fault): Promise<void> {
    switch (fault) {
      case "kill": {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#serving = promise;
        await this.#daemon.kill();
        await this.#daemon.start();
        return resolve();
      }
      case "stop":
        Deno.kill(this.#daemon.pid, "SIGSTOP");
        await new Promise((resolve) => setTimeout(resolve, STANDSTILL));
        return Deno.kill(this.#daemon.pid, "SIGCONT");
      case "cut":
        return this.#proxy.closeAll();
      case "lose answers":
        // Those of appends that were stored.
        this.#proxy.which = /"events":/;
        this.#proxy.lose = 4;
    }
  }

  /** A client asks one thing after the other. */
  async #client(number: number): Promise<void> {
    // Every second one without the proxy: what cuts one connection does not cut another.
    const socket = number % 2 === 0 ? this.#daemon.socket : this.#proxy.socket;
    using client = new Client({ socket });
    const known = new Known();
    let unanswered: { topic: string; ask: Ask } | undefined;
    for (let n = 0; this.#answered < this.#total; n++) {
      const repeats = unanswered !== undefined && this.#random(5) > 0;
      const topic = repeats ? unanswered!.topic : this.#topic();
      const ask = repeats ? unanswered!.ask : this.#ask(`c${number}-${n}`, known.of(topic));
      unanswered = undefined;
      const told = await this.#request(client, { number, topic, ask });
      if (told) known.learn(topic, ask, told);
      else if (ask.op === "append") unanswered = { topic, ask };
    }
  }

  /** Some of the last round as well: what was before a fault is asked for after it. */
  #topic(): string {
    return `t${this.#round - this.#random(Math.min(2, this.#round + 1))}-${this.#random(TOPICS)}`;
  }

  #ask(id: string, { end, ofKey }: ReturnType<Known["of"]>): Ask {
    const kind = this.#random(10);
    if (kind === 0) return { op: "log" };
    if (kind === 1) return { op: "end" };
    if (kind === 2) return { op: "newest", key: this.#random(2) === 0 ? "k" : "l" };
    const key = KEYS[this.#random(KEYS.length)];
    const last = key === undefined ? { seq: end, keySeq: 0 } : ofKey(key);
    const expectations: (Expected | undefined)[] = [
      undefined,
      last.seq,
      last.seq,
      last.seq,
      last.seq === 0 ? "none" : "exists",
      ...key === undefined ? [] : [{ keySeq: last.keySeq }, { keySeq: last.keySeq }],
    ];
    const expected = expectations[this.#random(expectations.length)];
    return {
      op: "append",
      id,
      ...key === undefined ? {} : { key },
      ...expected === undefined ? {} : { expected },
    };
  }

  /** Asks, and records it; undefined if there was no answer. */
  async #request(
    client: Client,
    { number, topic, ask }: { number: number; topic: string; ask: Ask },
  ): Promise<Told | undefined> {
    const operation: Operation = {
      client: number,
      topic,
      ask,
      call: now(),
      return: null,
      told: null,
    };
    try {
      operation.told = await answerOf(client, topic, ask);
      operation.return = now();
      this.#answered++;
      this.#answers.resolve();
      this.#answers = Promise.withResolvers();
    } catch (error) {
      // Nothing was sent, so nothing happened.
      if (error instanceof NoDaemonError) return void await this.#serving;
      if (!(error instanceof ConnectionLostError)) throw error;
      await this.#serving;
    }
    // A read without an answer has changed nothing and says nothing.
    const counts = operation.told !== null || ask.op === "append";
    if (counts) this.#operations.push(operation);
    return operation.told ?? undefined;
  }
}

/** What a client knows of topics: it may be old. */
class Known {
  readonly #ends = new Map<string, number>();
  readonly #keys = new Map<string, { seq: number; keySeq: number }>();

  of(topic: string) {
    return {
      end: this.#ends.get(topic) ?? 0,
      ofKey: (key: string) => this.#keys.get(`${topic} ${key}`) ?? { seq: 0, keySeq: 0 },
    };
  }

  learn(topic: string, ask: Ask, told: Told): void {
    if ("end" in told) this.#ends.set(topic, told.end);
    if ("seq" in told) this.#ends.set(topic, Math.max(told.seq, this.of(topic).end));
    if ("log" in told) this.#ends.set(topic, told.log.length);
    const key = "key" in ask ? ask.key : undefined;
    if (key === undefined) {
      if ("conflict" in told) this.#ends.set(topic, told.conflict);
      return;
    }
    const name = `${topic} ${key}`;
    if ("seq" in told && !told.duplicate) this.#keys.set(name, told);
    if ("newest" in told && told.newest) this.#keys.set(name, told.newest);
    if (!("conflict" in told) || ask.op !== "append") return;
    const { seq, keySeq } = this.of(topic).ofKey(key);
    const isNumber = typeof ask.expected === "object";
    this.#keys.set(
      name,
      isNumber ? { seq, keySeq: told.conflict } : { seq: told.conflict, keySeq },
    );
  }
}

/** Microseconds. */
function now(): number {
  return Math.round(performance.now() * 1000);
}

async function answerOf(client: Client, topic: string, ask: Ask): Promise<Told> {
  switch (ask.op) {
    case "append":
      return await append(client, topic, ask);
    case "end":
      return { end: await orElse(async () => (await client.topic(topic)).lastSeq, 0) };
    case "log":
      return { log: await orElse(() => idsOf(client, topic), []) };
    case "newest": {
      const read = async () => {
        const line = new TextDecoder().decode(await client.newest(topic, ask.key));
        const { id, seq, keySeq } = JSON.parse(line);
        return { id, seq, keySeq };
      };
      return { newest: await orElse(read, null) };
    }
  }
}

async function append(
  client: Client,
  topic: string,
  { id, key, expected }: Extract<Ask, { op: "append" }>,
): Promise<Told> {
  const query = {
    type: "x",
    id,
    ...key === undefined ? {} : { key },
    ...typeof expected === "object"
      ? { expectedKeySeq: expected.keySeq }
      : expected === undefined
      ? {}
      : { expected: String(expected) },
  };
  try {
    const { events } = await client.publish(topic, "1", { query });
    const { seq, keySeq = 0, duplicate = false } = events![0]!;
    return { seq: seq!, keySeq, duplicate };
  } catch (error) {
    const refused = error instanceof ConflictError ||
      error instanceof RemoteError && error.status === 409;
    if (!refused) throw error;
    return { conflict: Number(error.details?.["actual"]) };
  }
}

async function idsOf(client: Client, topic: string): Promise<string[]> {
  const response = await client.read({ topic: [topic] });
  const lines = (await response.text()).split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line).id);
}

/** What is there; of a topic or an event that is not, `none`. */
async function orElse<T>(read: () => Promise<T>, none: T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const missing = error instanceof NotFoundError ||
      error instanceof RemoteError && error.status === 404;
    if (!missing) throw error;
    return none;
  }
}
