/** A broker in a process of its own, for tests: it tells of errors and of what it handles as lines. */
import {
  type Event,
  EventBroker,
  PostgresEventStore,
  type PostgresOptions,
  PostgresState,
} from "@env/env-event-stream";
import { say } from "./say.ts";

/** How the subscription is delivered of which takeover_checks.ts judges. */
export const HANDLING = {
  name: "s",
  from: "start",
  concurrency: 8,
  maxRetries: 2,
  maxDeliveries: 1000,
  retryDelay: 20,
} as const;

/** Its first attempts fail. */
export interface Work {
  failing: number;
}

/** One clock for all processes of a machine. */
export const now = () => performance.timeOrigin + performance.now();

export const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error);

/** Opens a broker on a database. */
export async function openTelling(
  database: string | PostgresOptions,
  how: { host: string; ttlMs: number },
) {
  const state = await PostgresState.open(database, how);
  const eventStore = new PostgresEventStore(database);
  const broker = new EventBroker({
    state,
    eventStore,
    onError: (error, context) => say(`error ${codeOf(error)} ${context}: ${error}`),
  });
  return { state, eventStore, broker };
}

/** Tells of an attempt that begins. */
export function sayHandled({ seq, key }: Event, attempt: number): void {
  say(`handled ${seq} ${key} ${attempt} ${now()}`);
}

/** What fails is written in the event. */
export function failAsAsked({ payload }: Event<Work>, attempt: number): void {
  if (attempt <= payload.failing) throw new Error(`attempt ${attempt} fails`);
}
