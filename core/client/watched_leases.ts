/**
 * Lease requests that ask the daemon for heartbeats and watch for them ({@link LeaseWatch}). The
 * response is the same as without, behind some empty lines.
 */
import type { Clock } from "../base/clock.ts";
import { RemoteError } from "../base/errors.ts";
import { HEARTBEAT_MS, MOST_SILENT } from "../protocol/heartbeat.ts";
import type { LeaseRequest } from "../protocol/protocol.ts";
import { type Address, Client } from "./client.ts";
import { HttpResponse } from "./connection.ts";
import { DeadConnectionError, isGone } from "./consumer/port.ts";
import { LeaseWatch } from "./lease_watch.ts";

/** After this long without a sign of life, the daemon is asked on another connection, ms. */
const FIRST_SILENCE_MS = MOST_SILENT * HEARTBEAT_MS;
/** The same after needless reconnections, ms. */
const LONGEST_SILENCE_MS = 60_000;
const LF = 0x0a;

/** Where the daemon is, and who is told. */
export interface WatchedLeasesOptions {
  socket: string | Address;
  subscription: string;
  clock: Clock;
  /** Messages for people: the daemon stands still, the daemon is back. */
  say: (text: string) => void;
}

/** Requests leases of one subscription. */
export class WatchedLeases {
  readonly #options: WatchedLeasesOptions;
  /** False: the daemon is an older one, which refuses the field. */
  #hasHeartbeats = true;
  #silenceMs = FIRST_SILENCE_MS;

  constructor(options: WatchedLeasesOptions) {
    this.#options = options;
  }

  /** A new connection may be one to another daemon. */
  reconnected(): void {
    this.#hasHeartbeats = true;
  }

  /** The body of the response; on a dead connection, closes the client and rejects. */
  async ask(client: Client, request: LeaseRequest): Promise<Uint8Array> {
    if (this.#hasHeartbeats) {
      try {
        return await this.#watched(client, { ...request, heartbeatMs: HEARTBEAT_MS });
      } catch (error) {
        if (!isUnknownField(error, "heartbeatMs")) throw error;
        this.#hasHeartbeats = false;
      }
    }
    return await this.#watched(client, request);
  }

  async #watched(client: Client, request: LeaseRequest): Promise<Uint8Array> {
    const { subscription, clock, say } = this.#options;
    const quietMs = request.heartbeatMs === undefined ? request.waitMs ?? 0 : 0;
    const watch = new LeaseWatch({
      clock,
      say,
      limitMs: quietMs + this.#silenceMs,
      inquire: (signal) => this.#inquire(signal),
    });
    const answer = async () => {
      const response = await client.leaseResponse(subscription, request);
      return await new HttpResponse(response, watch.pieces(response.body())).bytes();
    };
    try {
      const bytes = await Promise.race([answer(), watch.dead]);
      // Heartbeats came with it, so silence means something again.
      if (bytes[0] === LF) this.#silenceMs = FIRST_SILENCE_MS;
      return bytes;
    } catch (error) {
      if (error instanceof DeadConnectionError) {
        client.close();
        this.#silenceMs = Math.min(this.#silenceMs * 2, LONGEST_SILENCE_MS);
      }
      throw error;
    } finally {
      watch.close();
    }
  }

  /** True if the daemon answers anything at all on another connection. */
  async #inquire(signal: AbortSignal): Promise<boolean> {
    using client = new Client({ socket: this.#options.socket });
    try {
      await client.fetchAny({ method: "GET", path: "/v1/health" }, { signal });
      return true;
    } catch (error) {
      return !signal.aborted && !isGone(error);
    }
  }
}

/** True if the daemon refused a request for a field that it does not know. */
function isUnknownField(error: unknown, name: string): boolean {
  return error instanceof RemoteError && error.status === 400 && error.details?.["field"] === name;
}
