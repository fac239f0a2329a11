/** The stored retries of a subscription, as every node can read them. */
import type { WaitingRetry } from "./records.ts";

/** Which of them: those that are due first, after a place in that order. */
export interface RetriesRequest {
  subscription: string;
  limit: number;
  after?: { dueAt: number; topic: string; id: string } | undefined;
}

/** Some of them, and how many there are. */
export interface StoredRetries {
  total: number;
  /** Each with the error of its last attempt. */
  retries: (WaitingRetry & { reason?: string })[];
}
