/** Sending pipelined requests and accounting for their replies. */
import assert from "node:assert/strict";
import { type PipelineTally, sendLines } from "../../../commands/publisher/pipeline.ts";
import { Connection, type Duplex } from "../../../core/client/connection.ts";
import type { PublishReply, RefusedLine } from "../../../core/protocol/protocol.ts";
import type { Clock } from "../../../core/base/clock.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What the fake daemon was asked. */
interface Seen {
  firstLine: number;
  lines: string[];
}

/**
 * A daemon that stores lines, refuses those with "bad" in them, and may die or hold its answers
 * back.
 */
class FakeDaemon implements Duplex {
  readonly seen: Seen[] = [];
  /** Closes after this many replies. */
  dieAfter = Infinity;
  /** Answers only when told. */
  holding = false;
  stored = 0;
  #input = "";
  #answers: string[] = [];
  #answered = 0;
  #ended = false;
  #waiting: (() => void) | undefined;

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.holding || this.#answers.length === 0) {
      if (this.#ended) return null;
      await new Promise<void>((resolve) => this.#waiting = resolve);
    }
    if (this.#answered++ >= this.dieAfter) return null;
    const bytes = encoder.encode(this.#answers.shift());
    buffer.set(bytes);
    return bytes.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#ended) return Promise.reject(new Deno.errors.BrokenPipe());
    this.#input += decoder.decode(bytes);
    while (this.#takeRequest()) {
      // One request after the other.
    }
    return Promise.resolve(bytes.length);
  }

  close(): void {
    this.#ended = true;
    this.#wake();
  }

  release(): void {
    this.holding = false;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  #takeRequest(): boolean {
    const head = /^POST \S*?[?&]line=(\d+)[^]*?content-length: (\d+)\r\n\r\n/.exec(this.#input);
    if (head === null) return false;
    const length = Number(head[2]);
    const body = this.#input.slice(head[0].length, head[0].length + length);
    if (body.length < length) return false;
    const skip = head[0].includes("onError=skip");
    this.#input = this.#input.slice(head[0].length + length);
    this.#store(Number(head[1]), { lines: body.split("\n").slice(0, -1), skip });
    return true;
  }

  #store(firstLine: number, { lines, skip }: { lines: string[]; skip: boolean }): void {
    this.seen.push({ firstLine, lines });
    const firstSeq = this.stored + 1;
    const refused: RefusedLine[] = [];
    for (const [index, line] of lines.entries()) {
      if (!line.includes("bad")) {
        this.stored++;
        continue;
      }
      refused.push({ line: firstLine + index, code: "event/invalid-json", message: "bad" });
      if (!skip) break;
    }
    const count = this.stored - firstSeq + 1;
    const reply: PublishReply = {
      count,
      duplicates: 0,
      firstSeq: count === 0 ? 0 : firstSeq,
      lastSeq: count === 0 ? 0 : this.stored,
      durable: true,
      lines: lines.length,
      refused,
    };
    const stop = refused.length > 0 && !skip;
    const text = JSON.stringify(
      stop ? { ...reply, error: { code: "event/invalid-json", message: "bad" } } : reply,
    );
    this.#answers.push(
      `HTTP/1.1 ${stop ? 422 : 200} X\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    );
    if (stop) this.#ended = true;
    this.#wake();
  }
}

/** A clock that moves by hand. */
class HandClock implements Clock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];
  #armed: (() => void) | undefined;

  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#now;
  }
  setTimer(callback: () => void, ms: number): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    this.#armed?.();
    return () => this.#timers = this.#timers.filter((other) => other !== timer);
  }
  /** Resolves when somebody waits. */
  async armed(): Promise<void> {
    if (this.#timers.length === 0) await new Promise<void>((resolve) => this.#armed = resolve);
  }
  advance(ms: number): void {
    this.#now += ms;
    for (const timer of this.#timers.filter(({ at }) => at <= this.#now)) timer.callback();
  }
}

function chunks(...texts: string[]): () => Promise<Uint8Array | null> {
  return () => {
    const next = texts.shift();
    return Promise.resolve(next === undefined ? null : encoder.encode(next));
  };
}

function publish(
  daemon: FakeDaemon,
  next: () => Promise<Uint8Array | null>,
  options: { onError?: "stop" | "skip"; skip?: number; clock?: Clock; refused?: number[] } = {},
): Promise<PipelineTally> {
  return sendLines(new Connection(daemon), next, {
    topic: "t",
    query: { type: "x", onError: options.onError ?? "stop" },
    skip: options.skip ?? 0,
    clock: options.clock ?? new HandClock(),
    onRefused: ({ line }) => options.refused?.push(line),
  });
}

Deno.test("publishLines stores every line in order and adds the replies up", async () => {
  const daemon = new FakeDaemon();
  const tally = await publish(daemon, chunks("1\n2\n", "3\n\n4", "4\n5"));
  assert.deepEqual(
    daemon.seen.flatMap(({ lines }) => lines),
    ["1", "2", "3", "", "44", "5"],
  );
  assert.equal(tally.acknowledgedLine, 6);
  assert.equal(tally.firstSeq, 1);
  assert.equal(tally.lastSeq, 6);
  assert.equal(tally.failure, undefined);
});

Deno.test("publishLines sends a first line at once and gathers others while it is under way", async () => {
  const daemon = new FakeDaemon();
  daemon.holding = true;
  const clock = new HandClock();
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let turn = 0;
  const texts = ["1\n", "2\n", "3\n"];
  const publishing = publish(daemon, async () => {
    if (turn > 0) await gates[Math.min(turn - 1, 1)]?.promise;
    const text = texts[turn++];
    return text === undefined ? null : encoder.encode(text);
  }, { clock });
  while (daemon.seen.length === 0) await Promise.resolve();
  assert.deepEqual(daemon.seen, [{ firstLine: 1, lines: ["1"] }], "nothing was under way");
  gates[0]?.resolve();
  await clock.armed();
  assert.equal(daemon.seen.length, 1, "the second line waits for others");
  clock.advance(5);
  while (daemon.seen.length === 1) await Promise.resolve();
  assert.deepEqual(daemon.seen[1], { firstLine: 2, lines: ["2"] });
  gates[1]?.resolve();
  daemon.release();
  const tally = await publishing;
  assert.equal(tally.count, 3);
});

Deno.test("publishLines stops at a refused line and knows what was kept", async () => {
  const refused: number[] = [];
  const daemon = new FakeDaemon();
  const tally = await publish(daemon, chunks("1\n2\nbad\n4\n"), { refused });
  assert.equal(tally.stoppedAt?.line, 3);
  assert.equal(tally.acknowledgedLine, 2);
  assert.equal(tally.count, 2);
  assert.deepEqual(refused, [3]);
});

Deno.test("publishLines goes on behind refused lines when told to skip", async () => {
  const refused: number[] = [];
  const daemon = new FakeDaemon();
  const tally = await publish(daemon, chunks("1\nbad\n", "3\nbad"), { onError: "skip", refused });
  assert.deepEqual(refused, [2, 4]);
  assert.equal(tally.count, 2);
  assert.equal(tally.refused, 2);
  assert.equal(tally.stoppedAt, undefined);
  assert.equal(tally.acknowledgedLine, 4);
});

Deno.test("publishLines passes over the first lines and keeps their numbers", async () => {
  const daemon = new FakeDaemon();
  const tally = await publish(daemon, chunks("1\n2\n3\n"), { skip: 2 });
  assert.deepEqual(daemon.seen, [{ firstLine: 3, lines: ["3"] }]);
  assert.equal(tally.acknowledgedLine, 3);
});

Deno.test("publishLines tells how many lines were acknowledged when the daemon dies", async () => {
  const daemon = new FakeDaemon();
  daemon.dieAfter = 1;
  const first = Promise.withResolvers<void>();
  let turn = 0;
  const tally = await publish(daemon, async () => {
    turn++;
    if (turn === 2) await first.promise;
    if (turn > 2) return null;
    if (turn === 1) first.resolve();
    return encoder.encode(`${turn}\n`);
  });
  assert.equal(tally.failure?.exit, 5);
  assert.ok(tally.acknowledgedLine <= 1);
  assert.equal(tally.sentLine, 2);
});

Deno.test("publishLines keeps at most eight requests under way", async () => {
  const daemon = new FakeDaemon();
  daemon.holding = true;
  const big = "x".repeat(1024 * 1024) + "\n";
  let given = 0;
  const publishing = publish(daemon, () => {
    given++;
    return Promise.resolve(given > 20 ? null : encoder.encode(big));
  });
  while (daemon.seen.length < 8) await new Promise((resolve) => setTimeout(resolve, 0));
  for (let i = 0; i < 50; i++) await Promise.resolve();
  assert.equal(daemon.seen.length, 8);
  assert.ok(given <= 10, `${given} pieces of the input were read`);
  daemon.release();
  assert.equal((await publishing).count, 20);
});
