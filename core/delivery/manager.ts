/** Signatures first; the bodies follow. */
import type {
  ExtendRequest,
  LeaseReply,
  LeaseRequest,
  NackItem,
  SeekReply,
  SeekRequest,
  SettleReply,
  SubscriptionInfo,
  SubscriptionRequest,
} from "../client/protocol.ts";

/** One event handed to one consumer. `line` is its wire line, line feed included. */
export interface Delivery {
  lease: string;
  attempt: number;
  /** Unix ms. */
  expiresAt: number;
  line: Uint8Array;
}

export type LeaseResult = Omit<LeaseReply, "deliveries"> & { deliveries: Delivery[] };

export declare class SubscriptionManager {
  put(name: string, request: SubscriptionRequest): Promise<SubscriptionInfo>;
  list(): SubscriptionInfo[];
  /** NotFoundError with the nearest names. */
  info(name: string): SubscriptionInfo;
  remove(name: string): Promise<void>;
  pause(name: string, reason?: string): Promise<SubscriptionInfo>;
  resume(name: string): Promise<SubscriptionInfo>;
  seek(name: string, request: SeekRequest): Promise<SeekReply>;
  lease(
    name: string,
    request: LeaseRequest,
    context: { consumer: string; signal?: AbortSignal },
  ): Promise<LeaseResult>;
  ack(name: string, leases: string[]): Promise<SettleReply>;
  nack(name: string, items: NackItem[]): Promise<SettleReply>;
  release(name: string, leases: string[]): Promise<SettleReply>;
  extend(name: string, request: ExtendRequest): Promise<SettleReply>;
  /** The consumer's connection closed: its `bind: true` leases go back, uncounted. */
  releaseConsumer(consumer: string): void;
  /** Totals for the status and the metrics. */
  totals(): { subscriptions: number; paused: number; scheduled: number; leased: number };
}
