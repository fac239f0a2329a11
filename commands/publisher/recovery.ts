/**
 * What a stream of lines does when its daemon goes away: it waits for another one, and finds out
 * which of its requests the old one had stored. See docs/adr/0030-publishing-through-a-restart.md.
 */
import type { Clock } from "../../core/base/clock.ts";
import { AwakeTime } from "../../core/base/standstill.ts";
import {
  CannotStoreError,
  ConnectionLostError,
  EvsError,
  NoDaemonError,
  NotAnsweringError,
  RemoteError,
} from "../../core/base/errors.ts";
import { batchTagOf, newBatchTag } from "../../core/event/batch_tag.ts";
import type { Client } from "../../core/client/client.ts";
import { type Connection, splitLines } from "../../core/client/connection.ts";
import { segment } from "../../core/client/client.ts";
import type { TopicInfo } from "../../core/protocol/protocol.ts";
import type { StatusReply } from "../../core/protocol/status.ts";

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;
/** What one try takes at most, with the pause before it, ms. */
const LONGEST_TRY_MS = 10_000;

/** Where a request was stored. */
export interface StoredRange {
  firstSeq: number;
  lastSeq: number;
}

/** The options of a recovery. */
export interface RecoveryOptions {
  client: Client;
  topic: string;
  clock: Clock;
  /** How long to wait for another daemon, ms. */
  limitMs: number;
  /** True if the user has interrupted the wait. */
  interrupted: () => boolean;
  say: (text: string) => void;
}

/** Waits for the next daemon, and finds requests that were stored. */
export class Recovery {
  readonly #options: RecoveryOptions;
  /** The connected daemon: its pid and start time. */
  #instance: string | undefined;
  /** Our unacknowledged events come after this seq. */
  #seen = 0;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Makes the first connection. Throws if there is no daemon. */
  async begin(): Promise<Connection> {
    const connection = await this.#options.client.connect();
    try {
      await this.#learn(connection);
      this.#seen = (await this.#head(connection)).lastSeq;
      return connection;
    } catch (error) {
      // A daemon that does not respond is reported at once, as by every command: nothing is in
      // flight yet.
      if (!isAway(error) || error instanceof NotAnsweringError) throw error;
      const other = await this.connect();
      if (other === undefined) throw error;
      this.#seen = (await this.#head(other)).lastSeq;
      return other;
    }
  }

  /** A new tag that identifies the next request. */
  newTag(): string {
    return newBatchTag((bytes) => crypto.getRandomValues(bytes));
  }

  /** Everything up to this seq need not be searched. */
  acknowledged(seq: number): void {
    this.#seen = seq;
  }

  /**
   * Waits for another daemon; undefined if none came in time, or the old one is still there and
   * healthy.
   */
  async connect(): Promise<Connection | undefined> {
    const { client, clock, limitMs, interrupted, say } = this.#options;
    const time = new AwakeTime(clock);
    const isLate = () => interrupted() || time.passed(LONGEST_TRY_MS) >= limitMs;
    let told = false;
    for (let pause = FIRST_PAUSE_MS;; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        const connection = await client.connect();
        const state = await this.#learn(connection);
        if (state === "new") {
          if (told) say("the daemon is back; the stream goes on");
          return connection;
        }
        connection.close();
        if (state === "same") return undefined;
      } catch (error) {
        if (!isAway(error)) throw error;
      }
      if (isLate()) return undefined;
      if (!told) say("the daemon went away; waiting for it to come back");
      told = true;
      await new Promise<void>((resolve) => void clock.setTimer(resolve, pause));
    }
  }

  /**
   * Which of the tagged requests are stored. Undefined if that can no longer be determined because
   * events were deleted.
   */
  async stored(tags: readonly string[]): Promise<Map<string, StoredRange> | undefined> {
    const found = new Map<string, StoredRange>();
    if (tags.length === 0) return found;
    const { client, topic } = this.#options;
    const head = await headOf(() => client.topic(topic));
    // A store in memory forgets everything, and starts with seq 1 again.
    if (head.lastSeq < this.#seen) this.#seen = 0;
    if (head.firstSeq > this.#seen + 1) return undefined;
    if (head.lastSeq === this.#seen) return found;
    const looked = new Set(tags);
    const response = await client.read({
      topic: [topic],
      from: String(this.#seen + 1),
      to: String(head.lastSeq),
    });
    const decoder = new TextDecoder();
    for await (const line of splitLines(response.body())) {
      const { id, seq } = JSON.parse(decoder.decode(line)) as { id: string; seq: number };
      const tag = batchTagOf(id);
      if (!looked.has(tag)) continue;
      found.set(tag, { firstSeq: found.get(tag)?.firstSeq ?? seq, lastSeq: seq });
    }
    return found;
  }

  /** Whether this is a different daemon, the same one, or one that is stopping. */
  async #learn(connection: Connection): Promise<"new" | "same" | "stopping"> {
    const response = await connection.request({ method: "GET", path: "/v1/status" });
    const status = await response.json<Partial<StatusReply>>();
    if (response.status >= 400 || status.health === "draining") return "stopping";
    const instance = `${status.pid} ${status.startedAt}`;
    if (instance === this.#instance) return "same";
    this.#instance = instance;
    return "new";
  }

  async #head(connection: Connection): Promise<StoredRange> {
    const path = `/v1/topics/${segment(this.#options.topic)}`;
    const response = await connection.request({ method: "GET", path });
    const reply = await response.json<TopicInfo>();
    return response.status < 400 ? reply : NOTHING;
  }
}

const NOTHING: StoredRange = { firstSeq: 1, lastSeq: 0 };

async function headOf(topic: () => Promise<TopicInfo>): Promise<StoredRange> {
  try {
    return await topic();
  } catch (error) {
    if (error instanceof RemoteError && error.status === 404) return NOTHING;
    throw error;
  }
}

/** True for errors of a daemon that may come back. */
export function isAway(error: unknown): error is EvsError {
  return error instanceof ConnectionLostError || error instanceof NoDaemonError ||
    error instanceof NotAnsweringError ||
    (error instanceof CannotStoreError && error.code === "daemon/busy") ||
    (error instanceof RemoteError && error.code === "daemon/stopping");
}
