/** An operator at a daemon: over its socket, as `evs` does it. */
import type { Client } from "../../../core/client/client.ts";
import type { Event } from "../../../core/event/event.ts";
import { eventOfLine } from "../../../core/event/event_lines.ts";
import { unansweredOf } from "../../../core/event/attempt.ts";
import type { DeadLetterDetail, SettleReply } from "../../../core/protocol/protocol.ts";
import type { TopicLimits } from "./act.ts";
import type { HandLease, Operator } from "./place.ts";

/** The daemon that a client is connected to. */
export class RemoteOperator implements Operator {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  topics() {
    return this.#client.topics();
  }

  createTopic(name: string, limits: TopicLimits) {
    return this.#client.createTopic(name, limits);
  }

  changeTopic(name: string, limits: TopicLimits) {
    return this.#client.updateTopic(name, limits);
  }

  removeTopic(name: string) {
    return this.#client.removeTopic(name);
  }

  subscriptions() {
    return this.#client.subscriptions();
  }

  pause(name: string, forMs: number | undefined) {
    return this.#client.pauseSubscription(name, forMs === undefined ? {} : { forMs });
  }

  resume(name: string) {
    return this.#client.resumeSubscription(name);
  }

  seek(name: string, to: string) {
    return this.#client.seekSubscription(name, { to });
  }

  removeSubscription(name: string) {
    return this.#client.removeSubscription(name);
  }

  retryNow(name: string) {
    return this.#client.retryNow(name);
  }

  async lease(name: string, request: { max: number; leaseMs: number }): Promise<HandLease[]> {
    const { deliveries } = await this.#client.lease(name, request);
    return deliveries.map(({ lease, attempt, event }) => ({
      lease,
      attempt,
      event: event as Event,
    }));
  }

  async ack(name: string, leases: string[]): Promise<string[]> {
    return (await this.#client.ack(name, { leases })).lost;
  }

  async release(name: string, leases: string[]): Promise<string[]> {
    return (await this.#client.release(name, { leases })).lost;
  }

  async nack(
    name: string,
    deliveries: { lease: string; error: string; dead?: boolean; afterMs?: number }[],
  ): Promise<NonNullable<SettleReply["outcomes"]>> {
    return (await this.#client.nack(name, { deliveries })).outcomes ?? [];
  }

  async deadLetters() {
    const response = await this.#client.deadLetters({ full: "1", limit: 1000 });
    return linesOf<DeadLetterDetail>(await response.text()).map((one) => ({
      ...one,
      attempts: one.attempts.length,
      unanswered: unansweredOf(one.attempts) ?? 0,
    }));
  }

  retryDead(ids: string[]) {
    return this.#client.retryDeadLetters({ ids });
  }

  removeDead(ids: string[]) {
    return this.#client.removeDeadLetters({ ids });
  }

  redact(topic: string, event: number | string) {
    return this.#client.redact(topic, String(event), { reason: "a test" });
  }

  async scheduled() {
    return (await this.#client.scheduled({})).scheduled;
  }

  cancel(topic: string, id: string) {
    return this.#client.cancelScheduled({ topic, ids: [id] });
  }

  async read(topic: string): Promise<Event[]> {
    const response = await this.#client.read({ topic: [topic], from: "start" });
    return (await response.text()).split("\n").filter((line) => line !== "").map(eventOfLine);
  }

  async damage(): Promise<string[]> {
    return (await this.#client.status()).problems;
  }
}

function linesOf<T>(text: string): T[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}
