/**
 * The daemon as the consumer needs it. `open_consumer_port.ts` is the real one; tests have their
 * own.
 */
import type { GivenTrace } from "../../event/trace_context.ts";
import type { LeaseReply, LeaseRequest, NackItem, SettleReply } from "../../protocol/protocol.ts";
import {
  CannotStoreError,
  ConnectionLostError,
  NoDaemonError,
  NotAnsweringError,
  RemoteError,
} from "../../base/errors.ts";

/** What identifies an event. */
export interface EventFacts {
  topic: string;
  type: string;
  id: string;
  seq: number;
  key?: string;
  /** From its metadata; absent if that has none, or none that is a text. */
  correlationId?: string;
  /** What its metadata says about its trace, not checked; absent if it says nothing. */
  trace?: GivenTrace;
}

/** One event as leased: its exact bytes, and the facts read from them. */
export interface Delivery {
  lease: string;
  attempt: number;
  /** The number of the delivery, from 1; the earlier ones ended without an answer. */
  delivery: number;
  /** An earlier delivery ended without an answer, or may have: this one gets its own begun mark. */
  isSuspect: boolean;
  /** As in `DeliveryReply`. */
  epoch?: number | undefined;
  facts: EventFacts;
  /** The wire line, without its line feed. */
  line: string;
  /** The same as bytes: a view, which keeps the whole response in memory. */
  event: Uint8Array;
  /** The exact bytes of the payload: a view, too. */
  payload: Uint8Array;
}

/** The response to a lease request. */
export type Leased = Omit<LeaseReply, "deliveries"> & { deliveries: Delivery[] };

/** How to mark deliveries as begun. */
export interface BeginOptions {
  soon: boolean;
  kept: boolean;
  /** Leases whose handlers have ended, and whose outcomes will follow. */
  ended: string[];
}

/** The daemon as the consumer needs it. Every method may throw {@link ConnectionLostError}. */
export interface ConsumerPort {
  lease(request: LeaseRequest): Promise<Leased>;
  /**
   * Marks deliveries as begun. With `soon` their handlers start one after another. With `kept` it
   * resolves when the mark is stored; otherwise when it is sent, and lost leases show at the next
   * request.
   */
  begin(leases: string[], options: BeginOptions): Promise<void>;
  ack(leases: string[]): Promise<SettleReply>;
  nack(deliveries: NackItem[]): Promise<SettleReply>;
  release(leases: string[]): Promise<SettleReply>;
  extend(leases: string[], leaseMs: number): Promise<SettleReply>;
  pause(reason: string): Promise<void>;
  /** Opens new connections; throws {@link NoDaemonError} while nothing answers. */
  reconnect(): Promise<void>;
  close(): void;
}

/** A connection on which nothing comes, though the daemon answers on others. */
export class DeadConnectionError extends ConnectionLostError {}

/** True for errors that end once the daemon is back: nobody answers, it is stopping or failed. */
export function isGone(error: unknown): boolean {
  return error instanceof ConnectionLostError || error instanceof NoDaemonError ||
    error instanceof NotAnsweringError ||
    ((error instanceof RemoteError || error instanceof CannotStoreError) &&
      goneCodes.has(error.code));
}

/** True if the daemon has no disk space to store outcomes, which can be fixed by freeing some. */
export function isFull(error: unknown): boolean {
  return (error instanceof RemoteError || error instanceof CannotStoreError) &&
    error.code === "store/disk-full";
}

const goneCodes: ReadonlySet<string> = new Set([
  "daemon/stopping",
  "daemon/busy",
  "broker/closed",
  // Its disk failed: it ends, and whoever watches over it starts it again.
  "daemon/failed",
  // The daemon stood still in the middle of the request, and then gave up on it.
  "request/timeout",
]);

/** True if nothing is left to do on the subscription, for any consumer. */
export function isEmpty(leased: Leased): boolean {
  return leased.deliveries.length === 0 && leased.pending === 0 && leased.leased === 0 &&
    leased.scheduled === 0;
}

/** True if nothing is left to do on the subscription but what was leased just now. */
export function isLast({ deliveries, pending, leased, scheduled }: Leased): boolean {
  return pending === 0 && scheduled === 0 && leased <= deliveries.length;
}
