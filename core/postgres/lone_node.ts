/**
 * One process at a time on a database: a lock of the session, on a connection of its own. It is for
 * as long as subscriptions cannot be shared out between nodes ({@link SEVERAL_NODES}): two processes
 * that know nothing of each other would overwrite each other's positions.
 */
import { systemClock } from "../base/clock.ts";
import { CannotStoreError } from "../base/errors.ts";
import { connectDriver, type DriverClient } from "./driver.ts";
import { asPostgresError } from "./errors.ts";
import { pause } from "./patience.ts";
import { type DatabaseTarget, placeOf } from "./url.ts";

/** True once several nodes may share a database. */
export const SEVERAL_NODES: boolean = false;

/** The two numbers of the lock: migrations take another one. */
const LOCK = "1702261603, 1";
const AGAIN_MS = 500;

/** The lock, while it is held. */
export class LoneNode {
  readonly #target: DatabaseTarget;
  readonly #onLost: (error: unknown) => void;
  readonly #closed = new AbortController();
  #client: DriverClient | undefined;
  #ended: Promise<void> = Promise.resolve();
  #staying: Promise<void> | undefined;

  private constructor(target: DatabaseTarget, onLost: (error: unknown) => void) {
    this.#target = target;
    this.#onLost = onLost;
  }

  /**
   * Takes the lock, and keeps it until it is closed. Rejects with `CannotStoreError`
   * (`node/not-alone`) if another process has it. `onLost` is called if another one took it while
   * the server was away: whoever held it must stop.
   */
  static async take(target: DatabaseTarget, onLost: (error: unknown) => void): Promise<LoneNode> {
    const node = new LoneNode(target, onLost);
    await node.#lock();
    node.#staying = node.#stay();
    return node;
  }

  async #lock(): Promise<void> {
    let client: DriverClient | undefined;
    try {
      client = await connectDriver(this.#target, "evs node");
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      client.on("end", resolve);
      client.on("error", () => resolve());
      const { rows } = await client.query({
        text: `SELECT pg_try_advisory_lock(${LOCK}) AS taken`,
      });
      if (!(rows[0] as { taken: boolean }).taken) throw notAlone(this.#target);
      [this.#client, this.#ended] = [client, ended];
    } catch (error) {
      await client?.end();
      throw asPostgresError(error, this.#target);
    }
  }

  /** Takes it again whenever the connection is lost. */
  async #stay(): Promise<void> {
    const { signal } = this.#closed;
    for (;;) {
      await this.#ended;
      if (signal.aborted) return;
      try {
        await this.#lock();
        if (signal.aborted) await this.#client?.end();
      } catch (error) {
        if ((error as { code?: string }).code === NOT_ALONE) return this.#onLost(error);
        await pause(systemClock, AGAIN_MS, signal);
      }
    }
  }

  /** Gives it back. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#client?.end();
    await this.#staying;
  }
}

const NOT_ALONE = "node/not-alone";

function notAlone(target: DatabaseTarget): CannotStoreError {
  return new CannotStoreError(
    `another daemon or broker works on PostgreSQL at ${placeOf(target)}, and only one can yet`,
    {
      code: NOT_ALONE,
      hint: "use that one, or stop it first; or give this one a database of its own",
    },
  );
}
