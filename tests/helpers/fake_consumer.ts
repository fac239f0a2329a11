/** An in-memory daemon and in-memory handlers for a consumer, controlled by the test. */
import { Consumer, type ConsumerOptions } from "../../core/client/consumer/consumer.ts";
import type { RunningBatch } from "../../core/client/consumer/work.ts";
import type { ConsumerPort, Delivery, Leased } from "../../core/client/consumer/port.ts";
import { type HandlerRun, settlementOf } from "../../commands/consumer/exit_code.ts";
import type { RunningHandler } from "../../commands/consumer/handler.ts";
import type { LeaseRequest, NackItem, SettleReply } from "../../core/protocol/protocol.ts";
import {
  CannotStoreError,
  ConnectionLostError,
  NoDaemonError,
  RemoteError,
} from "../../core/base/errors.ts";
import { NODE_DRAINED } from "../../core/protocol/node.ts";

/** An in-memory subscription that manages leases like the daemon. */
export class FakeDaemon implements ConsumerPort {
  readonly pending: number[];
  readonly leases = new Map<string, number>();
  readonly acked: number[] = [];
  readonly dead: number[] = [];
  readonly released: number[] = [];
  readonly begun: number[] = [];
  /** How many deliveries each mark was for. */
  readonly marks: number[] = [];
  readonly calls: string[] = [];
  paused: string | undefined;
  up = true;
  /** Nothing can be stored. */
  full = false;
  /** The daemon answers, but cannot reach its database. */
  away = false;
  /** It stores outcomes, and leases nothing. */
  drained = false;
  maxRetries = 1;
  attempts = new Map<number, number>();
  #wake = Promise.withResolvers<void>();
  #serial = 0;

  constructor(events: number) {
    this.pending = Array.from({ length: events }, (_, index) => index + 1);
  }

  wake(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  /** Closes all connections: bound leases are returned. */
  crash(): void {
    this.up = false;
    this.pending.push(...this.leases.values());
    this.pending.sort((a, b) => a - b);
    this.leases.clear();
    this.wake();
  }

  #check(): void {
    if (!this.up) throw new ConnectionLostError("gone");
    if (this.away) throw new CannotStoreError("no database", { code: "postgres/unavailable" });
  }

  async lease(request: LeaseRequest): Promise<Leased> {
    this.calls.push(`lease ${request.max}`);
    const serial = this.#serial;
    for (;;) {
      await Promise.resolve();
      this.#check();
      if (this.drained) throw new RemoteError({ code: NODE_DRAINED, message: "drained" }, 503);
      if (serial !== this.#serial) throw new ConnectionLostError("closed");
      const empty = this.pending.length === 0 && this.leases.size === 0;
      const ready = this.pending.length > 0 || this.paused !== undefined || request.waitMs === 0 ||
        (empty && request.untilEmpty);
      if (ready) break;
      await this.#wake.promise;
    }
    const seqs = this.paused === undefined ? this.pending.splice(0, request.max ?? 1) : [];
    const deliveries = seqs.map((seq) => this.#deliver(seq));
    return {
      paused: this.paused !== undefined,
      pauseReason: this.paused,
      pending: this.pending.length,
      leased: this.leases.size,
      scheduled: 0,
      deliveries,
    };
  }

  #deliver(seq: number): Delivery {
    const lease = `lease-${crypto.randomUUID()}`;
    this.leases.set(lease, seq);
    const attempt = (this.attempts.get(seq) ?? 0) + 1;
    const bytes = new TextEncoder().encode(String(seq));
    const facts = { topic: "t", type: "x", id: `id-${seq}`, seq };
    return {
      lease,
      attempt,
      delivery: 1,
      isSuspect: false,
      facts,
      line: String(seq),
      event: bytes,
      payload: bytes,
    };
  }

  #settle(leases: string[], then: (seq: number) => void): Promise<SettleReply> {
    this.#check();
    if (this.full) throw new CannotStoreError("the disk is full", { code: "store/disk-full" });
    const lost = leases.filter((lease) => !this.leases.has(lease));
    for (const lease of leases) {
      const seq = this.leases.get(lease);
      if (seq === undefined) continue;
      this.leases.delete(lease);
      then(seq);
    }
    this.wake();
    return Promise.resolve({ settled: leases.length - lost.length, lost });
  }

  // deno-lint-ignore require-await -- a rejection, not a throw, as the real one
  async begin(leases: string[]): Promise<void> {
    this.#check();
    this.marks.push(leases.length);
    for (const lease of leases) this.begun.push(this.leases.get(lease)!);
  }

  // deno-lint-ignore require-await -- a rejection, not a throw, as the real one
  async ack(leases: string[]): Promise<SettleReply> {
    this.calls.push(`ack ${leases.length}`);
    return this.#settle(leases, (seq) => this.acked.push(seq));
  }

  async nack(items: NackItem[]): Promise<SettleReply> {
    this.calls.push(`nack ${items.length}`);
    const outcomes: ("retry" | "dead" | "lost")[] = [];
    for (const item of items) {
      const seq = this.leases.get(item.lease);
      const failed = seq === undefined ? 0 : (this.attempts.get(seq) ?? 0) + 1;
      if (seq !== undefined) this.attempts.set(seq, failed);
      outcomes.push(
        seq === undefined ? "lost" : item.dead || failed > this.maxRetries ? "dead" : "retry",
      );
    }
    let index = 0;
    const reply = await this.#settle(items.map((item) => item.lease), (seq) => {
      (outcomes[index++] === "dead" ? this.dead : this.pending).push(seq);
    });
    return { ...reply, outcomes };
  }

  // deno-lint-ignore require-await -- a rejection, not a throw, as the real one
  async release(leases: string[]): Promise<SettleReply> {
    this.calls.push("release");
    return this.#settle(leases, (seq) => {
      this.released.push(seq);
      this.pending.unshift(seq);
    });
  }

  // deno-lint-ignore require-await -- a rejection, not a throw, as the real one
  async extend(leases: string[]): Promise<SettleReply> {
    this.#check();
    return { settled: leases.length, lost: [] };
  }

  pause(reason: string): Promise<void> {
    this.calls.push("pause");
    this.paused = reason;
    this.wake();
    return Promise.resolve();
  }

  reconnect(): Promise<void> {
    return this.up ? Promise.resolve() : Promise.reject(new NoDaemonError("nothing there"));
  }

  close(): void {
    this.#serial++;
    this.wake();
  }
}

/** Handlers that end when told to. */
export class Handlers {
  readonly running = new Map<number, (outcome: HandlerRun) => void>();
  readonly started: number[] = [];
  readonly signals: string[] = [];
  most = 0;
  #decide: (seq: number) => HandlerRun | undefined;

  constructor(decide: (seq: number) => HandlerRun | undefined) {
    this.#decide = decide;
  }

  start = (deliveries: readonly Delivery[]): RunningBatch => {
    const runs = deliveries.map((delivery) => this.#startOne(delivery));
    return {
      verdicts: Promise.all(
        runs.map(async ({ outcome }) => settlementOf(await outcome, ["handle"])),
      ),
      kill: (signal) => runs.forEach((run) => run.kill(signal)),
    };
  };

  #startOne = (delivery: Delivery): RunningHandler => {
    const { seq } = delivery.facts;
    this.started.push(seq);
    const { promise, resolve } = Promise.withResolvers<HandlerRun>();
    this.running.set(seq, resolve);
    this.most = Math.max(this.most, this.running.size);
    const end = (outcome: HandlerRun) => {
      this.running.delete(seq);
      resolve(outcome);
    };
    this.running.set(seq, end);
    const decided = this.#decide(seq);
    if (decided !== undefined) queueMicrotask(() => end(decided));
    return {
      outcome: promise,
      kill: (signal) => {
        this.signals.push(`${seq} ${signal}`);
        end({ ...exit(0), exitCode: 143, signal });
      },
    };
  };
}

export function exit(exitCode: number): HandlerRun & { kind: "ended" } {
  return { kind: "ended", exitCode, durationMs: 1, stderr: "" };
}

export function consumer(
  daemon: FakeDaemon,
  handlers: Handlers,
  extra: Partial<ConsumerOptions> = {},
) {
  const said: string[] = [];
  const it = new Consumer({
    port: daemon,
    start: handlers.start,
    say: (text) => said.push(text),
    concurrency: 1,
    untilEmpty: true,
    ...extra,
  });
  return { it, said };
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
