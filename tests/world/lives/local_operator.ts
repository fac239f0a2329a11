/** An operator at a broker of this process. */
import { atOnce } from "../../helpers/at_once.ts";
import type { EventBroker } from "../../../core/broker/event_broker.ts";
import { deadLetterInfo } from "../../../core/dead_letter/dead_letters.ts";
import { eventOf } from "../../../core/delivery/leases.ts";
import { retryNow } from "../../../core/delivery/scheduled_retries.ts";
import { unansweredOf } from "../../../core/event/attempt.ts";
import { type Event, toEvent } from "../../../core/event/event.ts";
import { damageText } from "../../../core/store/damage.ts";
import type { TopicLimits } from "./act.ts";
import type { HandLease, Operator } from "./place.ts";

/** The broker itself. */
export class LocalOperator implements Operator {
  readonly #broker: EventBroker;

  constructor(broker: EventBroker) {
    this.#broker = broker;
  }

  topics() {
    const { topics } = this.#broker;
    return Promise.resolve(topics.names().map((name) => topics.info(name)));
  }

  createTopic(name: string, limits: TopicLimits) {
    // There is one store.
    const { store: _store, ...rest } = limits;
    return this.#broker.topics.create(name, rest);
  }

  changeTopic(name: string, limits: TopicLimits) {
    return this.#broker.topics.update(name, limits);
  }

  removeTopic(name: string) {
    return this.#broker.topics.remove(name);
  }

  async subscriptions() {
    return await this.#broker.subscriptions.list();
  }

  pause(name: string, forMs: number | undefined) {
    return this.#broker.subscriptions.pause(name, forMs === undefined ? {} : { forMs });
  }

  resume(name: string) {
    return this.#broker.subscriptions.resume(name);
  }

  seek(name: string, to: string) {
    return this.#broker.subscriptions.seek(name, { to });
  }

  removeSubscription(name: string) {
    return this.#broker.subscriptions.remove(name);
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async retryNow(name: string) {
    return retryNow(this.#broker.subscriptions.require(name), {}, undefined);
  }

  async lease(name: string, request: { max: number; leaseMs: number }): Promise<HandLease[]> {
    const { subscriptions } = this.#broker;
    const { deliveries } = await subscriptions.lease(name, request, { consumer: "hand" });
    return deliveries.map((lease) => ({
      lease: lease.token,
      attempt: lease.attempt,
      event: eventOf(lease),
    }));
  }

  async ack(name: string, leases: string[]): Promise<string[]> {
    return (await this.#broker.subscriptions.ack(name, leases)).lost;
  }

  async release(name: string, leases: string[]): Promise<string[]> {
    return (await this.#broker.subscriptions.release(name, leases)).lost;
  }

  async nack(
    name: string,
    items: { lease: string; error: string; dead?: boolean; afterMs?: number }[],
  ) {
    return (await this.#broker.subscriptions.nack(name, items)).outcomes ?? [];
  }

  async deadLetters() {
    const { records } = await this.#broker.deadLetters.records({}, { limit: 1000 });
    return records.map((one) => ({
      ...deadLetterInfo(one),
      unanswered: unansweredOf(one.attempts),
    }));
  }

  retryDead(ids: string[]) {
    return this.#broker.deadLetters.retry({ ids });
  }

  removeDead(ids: string[]) {
    return this.#broker.deadLetters.remove({ ids });
  }

  redact(topic: string, event: number | string) {
    return this.#broker.redact(topic, event, { reason: "a test" });
  }

  async scheduled() {
    return (await this.#broker.scheduledEvents()).scheduled;
  }

  cancel(topic: string, id: string) {
    return this.#broker.cancelScheduled({ topic, ids: [id] });
  }

  read(topic: string): Promise<Event[]> {
    const { store } = this.#broker;
    const { firstSeq, lastSeq } = store.head(topic);
    const events: Event[] = [];
    for (let from = firstSeq; from <= lastSeq;) {
      const page = atOnce(store.readPage(topic, { from, to: lastSeq, limit: 100 }));
      events.push(...page.events.map((event) => toEvent(event)));
      from = page.next;
    }
    return Promise.resolve(events);
  }

  damage(): Promise<string[]> {
    return Promise.resolve((this.#broker.store.damage?.() ?? []).map(damageText));
  }
}
