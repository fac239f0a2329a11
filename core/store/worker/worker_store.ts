/**
 * The base of stores whose writer runs in a worker thread: writes are requests to the worker, and
 * the store takes over what a reply says about its topics before the caller continues. Reads happen
 * in this thread.
 */
import { type Event, type StoredEvent, toEvent } from "../../event/event.ts";
import type { Durability } from "../../event/durability.ts";
import type { WorkerClient } from "../../worker/client.ts";
import { ForwardingStore } from "../forwarding_store.ts";
import { buffersOf, pack, type PackedRequest, type StoreRequest } from "../pack.ts";
import type { SyncEventReader } from "../reader.ts";
import type {
  AppendOptions,
  AppendOutcome,
  AtomicGroup,
  EventQuery,
  RedactRequest,
} from "../store.ts";

/** A request that every writer understands. */
export type WriterCall =
  | {
    op: "append";
    requests: PackedRequest[];
    durability?: Durability;
    groups?: readonly AtomicGroup[];
    early: boolean;
  }
  | { op: "seekAge"; topic: string; age: number }
  | { op: "truncate"; topic: string; seq: number }
  | { op: "redact"; topic: string; request: RedactRequest }
  | { op: "raise"; topic: string; lastSeq: number }
  | { op: "removeTopic"; topic: string }
  | { op: "close" };

/** A reader that works in this thread. */
export interface LocalReader extends SyncEventReader {
  getEvents(topic: string, options: EventQuery): StoredEvent[];
}

/**
 * A store that writes through a worker. `A` is the type of the worker's replies.
 * @internal
 */
export abstract class WorkerStore<A extends { result: unknown }> extends ForwardingStore {
  readonly atomic = true;
  readonly countsKeys = true;
  readonly isElsewhere = true;
  readonly durable: boolean;
  protected readonly worker: WorkerClient;

  protected constructor(worker: WorkerClient, durability: Durability) {
    super();
    this.worker = worker;
    this.durable = durability === "always";
  }

  protected abstract override readerOf(): LocalReader;

  /** Takes over what a reply says about topics. */
  protected abstract learn(answer: A): void;

  async append(
    requests: readonly StoreRequest[],
    { durability, onWritten, groups }: AppendOptions = {},
  ): Promise<AppendOutcome[]> {
    const packed = requests.map(pack);
    const early = onWritten !== undefined;
    const answer = await this.worker.call<A>(
      { op: "append", requests: packed, durability, groups, early } satisfies WriterCall,
      { transfer: packed.flatMap(buffersOf), onReady: onWritten },
    );
    this.learn(answer);
    return answer.result as AppendOutcome[];
  }

  topics(): string[] {
    return this.readerOf().topics();
  }

  seekAge(topic: string, age: number): Promise<number> {
    return this.#write({ op: "seekAge", topic, age });
  }

  truncate(topic: string, seq: number): Promise<number> {
    return this.#write({ op: "truncate", topic, seq });
  }

  redact(topic: string, request: RedactRequest): Promise<boolean> {
    return this.#write({ op: "redact", topic, request });
  }

  raise(topic: string, lastSeq: number): Promise<void> {
    return this.#write({ op: "raise", topic, lastSeq });
  }

  removeTopic(topic: string): Promise<void> {
    return this.#write({ op: "removeTopic", topic });
  }

  getEvents(topic: string, options: EventQuery = {}): Promise<Event[]> {
    const events = this.readerOf().getEvents(topic, options);
    return Promise.resolve(events.map((stored) => toEvent(stored)));
  }

  async close(): Promise<void> {
    await this.worker.call({ op: "close" } satisfies WriterCall);
    this.worker.terminate();
  }

  async #write<T>(call: WriterCall): Promise<T> {
    const answer = await this.worker.call<A>(call);
    this.learn(answer);
    return answer.result as T;
  }
}
