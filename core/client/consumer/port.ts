/**
 * The daemon as the consumer needs it. `open_consumer_port.ts` is the real one; tests bring their
 * own.
 */
import type { LeaseReply, LeaseRequest, NackItem, SettleReply } from "../../protocol/protocol.ts";
import {
  CannotStoreError,
  ConnectionLostError,
  NoDaemonError,
  NotAnsweringError,
  RemoteError,
} from "../../base/errors.ts";

/** What an event is known by. */
export interface EventFacts {
  topic: string;
  type: string;
  id: string;
  seq: number;
  key?: string;
}

/** One event as it was leased: its own bytes, and the facts read from them. */
export interface Delivery {
  lease: string;
  attempt: number;
  /** From 1; those before ended without an answer. */
  delivery: number;
  /** An earlier one ended without an answer, or may have: it is marked as begun by itself. */
  isSuspect: boolean;
  facts: EventFacts;
  /** The wire line, without line feed. */
  event: Uint8Array;
  /** The payload's own bytes. */
  payload: Uint8Array;
}

/** The answer to a lease. */
export type Leased = Omit<LeaseReply, "deliveries"> & { deliveries: Delivery[] };

/** How it is said that handlers begin. */
export interface BeginOptions {
  soon: boolean;
  kept: boolean;
  /** Leases whose handlers have ended, and whose answers follow. */
  ended: string[];
}

/** The daemon as the consumer needs it. Everything may throw {@link ConnectionLostError}. */
export interface ConsumerPort {
  lease(request: LeaseRequest): Promise<Leased>;
  /**
   * Says that handlers begin with these leases. `soon`: one after another, and it is kept when it
   * resolves; otherwise they begin now, and it resolves when that is on its way: what is lost then
   * shows at the next request.
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

/** True for what ends when the daemon is back: nobody answers, or it is stopping. */
export function isGone(error: unknown): boolean {
  return error instanceof ConnectionLostError || error instanceof NoDaemonError ||
    error instanceof NotAnsweringError ||
    ((error instanceof RemoteError || error instanceof CannotStoreError) &&
      goneCodes.has(error.code));
}

/**
 * True when the daemon has no room to write down what became of events: it has once somebody makes
 * some.
 */
export function isFull(error: unknown): boolean {
  return (error instanceof RemoteError || error instanceof CannotStoreError) &&
    error.code === "store/disk-full";
}

const goneCodes: ReadonlySet<string> = new Set([
  "daemon/stopping",
  "daemon/busy",
  "broker/closed",
  // The daemon stood still in the middle of the request, and then gave it up.
  "request/timeout",
]);

/** True when there is nothing left to do on the subscription, for anybody. */
export function isEmpty(leased: Leased): boolean {
  return leased.deliveries.length === 0 && leased.pending === 0 && leased.leased === 0 &&
    leased.scheduled === 0;
}
