/**
 * A model of what delivery to one subscription promises. It is notified of the start and end of
 * every attempt, and reports at once what must not happen. It knows nothing of leases, batches and
 * commits.
 */

/** What a handler does in one attempt. */
export type Step = "ok" | "skip" | "throw" | "reject" | "retry" | "dead" | "hopeless" | "hang";

/** How the subscription is set up. */
export interface Setup {
  concurrency: number;
  maxRetries: number;
  /** The waits between two attempts, ms: by default, and after `retry({afterMs})`. */
  waitMs: number;
  afterMs: number;
}

/** An event and what became of it so far. */
export interface Tracked {
  n: number;
  id: string;
  key: string | undefined;
  script: readonly Step[];
  state: "pending" | "running" | "waiting" | "done" | "dead";
  /** Attempts that count. */
  attempts: number;
  failures: number;
  /** Monotonic ms, while waiting. */
  dueAt: number;
  begun: boolean;
  /**
   * It was dead once and sent again: then it is behind events of its key that went on meanwhile.
   */
  revived: boolean;
}

/** What delivery promises, as a small model. */
export class DeliveryModel {
  readonly setup: Setup;
  readonly events: Tracked[] = [];
  readonly faults: string[] = [];
  subscribed = false;
  paused = false;

  constructor(setup: Setup) {
    this.setup = setup;
  }

  published(event: Pick<Tracked, "id" | "key" | "script">): void {
    this.events.push({
      ...event,
      n: this.events.length,
      state: "pending",
      attempts: 0,
      failures: 0,
      dueAt: 0,
      begun: false,
      revived: false,
    });
  }

  get running(): Tracked[] {
    return this.events.filter(({ state }) => state === "running");
  }

  get dead(): Tracked[] {
    return this.events.filter(({ state }) => state === "dead");
  }

  /** Nothing is left to do. */
  get settled(): boolean {
    return this.events.every(({ state }) => state === "done" || state === "dead");
  }

  #fault(event: Tracked, what: string): void {
    this.faults.push(`event ${event.n} (${event.state}, ${event.attempts} attempts): ${what}`);
  }

  /** A handler begins; returns what it does. */
  begins(n: number, attempt: number, now: number): Step {
    const event = this.events[n]!;
    if (!this.subscribed) this.#fault(event, "began without a subscription");
    if (this.paused) this.#fault(event, "began while paused");
    if (event.state !== "pending" && event.state !== "waiting") this.#fault(event, "began again");
    if (event.state === "waiting" && now < event.dueAt) {
      this.#fault(event, `began ${event.dueAt - now} ms before its wait was over`);
    }
    if (attempt !== event.attempts + 1) this.#fault(event, `began as attempt ${attempt}`);
    if (this.running.length >= this.setup.concurrency) {
      this.#fault(event, `began beside ${this.running.length} others`);
    }
    const before = this.events.slice(0, n);
    const isOpen = ({ state }: Tracked) => state !== "done" && state !== "dead";
    if (event.key !== undefined) {
      const earlier = before.find((one) => one.key === event.key && isOpen(one) && !one.revived);
      if (earlier && !event.revived) this.#fault(event, `began before ${earlier.n} of its key`);
    } else if (!event.begun) {
      const skipped = before.find((one) => one.key === undefined && !one.begun);
      if (skipped) this.#fault(event, `began before ${skipped.n}, which has no key either`);
    }
    event.state = "running";
    event.begun = true;
    return event.script[attempt - 1] ?? "ok";
  }

  /** It ended by itself, or its time was over (`throw`). */
  ends(n: number, step: Exclude<Step, "hang">, now: number): void {
    const event = this.events[n]!;
    event.attempts++;
    if (step === "ok" || step === "skip") {
      event.state = "done";
      return;
    }
    event.failures++;
    if (step === "dead" || step === "hopeless" || event.failures > this.setup.maxRetries) {
      event.state = "dead";
      return;
    }
    event.state = "waiting";
    event.dueAt = now + (step === "retry" ? this.setup.afterMs : this.setup.waitMs);
  }

  /** It was cut off by the end of the subscription or the process: the attempt does not count. */
  interrupted(n: number): void {
    const event = this.events[n]!;
    event.state = event.failures > 0 ? "waiting" : "pending";
  }

  /** A dead letter is sent again, with a fresh grant of retries. */
  revive(n: number): void {
    const event = this.events[n]!;
    event.state = "pending";
    event.failures = 0;
    event.revived = true;
  }
}
