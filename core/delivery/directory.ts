/** The drivers of all subscriptions, by name and by topic. */
import { closedBroker, NotFoundError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { assertSubscriptionName, compilePattern } from "../event/topic_options.ts";
import type { SubscriptionDriver } from "./driver.ts";

/** Finds the drivers of subscriptions. */
export class DriverDirectory {
  readonly #drivers = new Map<string, SubscriptionDriver>();
  readonly #matchers = new Map<string, (topic: string) => boolean>();
  readonly #byTopic = new Map<string, SubscriptionDriver[]>();
  #sorted: readonly SubscriptionDriver[] | undefined;
  #isClosed = false;

  get size(): number {
    return this.#drivers.size;
  }

  add(driver: SubscriptionDriver): SubscriptionDriver {
    const { name, topic } = driver.record;
    this.#drivers.set(name, driver);
    this.#matchers.set(name, compilePattern(topic));
    this.#forget();
    return driver;
  }

  /** Removes a driver, unless another one has its name by now. */
  drop(driver: SubscriptionDriver): void {
    const { name } = driver.record;
    if (this.#drivers.get(name) !== driver) return;
    this.#drivers.delete(name);
    this.#matchers.delete(name);
    this.#forget();
  }

  get(name: string): SubscriptionDriver | undefined {
    return this.#drivers.get(name);
  }

  /** The driver, or `NotFoundError` that suggests the closest name. */
  require(name: string): SubscriptionDriver {
    const driver = this.#drivers.get(assertSubscriptionName(name));
    if (driver) return driver;
    this.refuseClosed();
    throw new NotFoundError("subscription", `there is no subscription ${name}`, {
      hint: didYouMean(name, this.#drivers.keys()) ?? "evs subscription list shows them",
      details: { subscription: name },
    });
  }

  /** All drivers, sorted by name. */
  all(): readonly SubscriptionDriver[] {
    return this.#sorted ??= [...this.#drivers.values()]
      .sort((a, b) => a.record.name < b.record.name ? -1 : 1);
  }

  /** The drivers whose topic or pattern matches. */
  of(topic: string): readonly SubscriptionDriver[] {
    let drivers = this.#byTopic.get(topic);
    if (!drivers) {
      drivers = [...this.#drivers.values()]
        .filter(({ record }) => this.#matchers.get(record.name)!(topic));
      this.#byTopic.set(topic, drivers);
    }
    return drivers;
  }

  /** Throws once they are closed: what is not there then may be there all the same. */
  refuseClosed(): void {
    if (this.#isClosed) throw closedBroker();
  }

  /** Removes all drivers for good and returns them. */
  close(): readonly SubscriptionDriver[] {
    this.#isClosed = true;
    const drivers = this.all();
    this.#drivers.clear();
    this.#matchers.clear();
    this.#forget();
    return drivers;
  }

  /** What was made of the drivers is made anew. */
  #forget(): void {
    this.#sorted = undefined;
    this.#byTopic.clear();
  }
}

/** The error for using a subscription after it was removed. */
export function removedSubscription(name: string): NotFoundError {
  return new NotFoundError("subscription", `the subscription ${name} was removed`);
}
