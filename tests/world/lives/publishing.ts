/** Publishers. */
import type { Event } from "../../../core/event/event.ts";
import type { Expected } from "../../../core/store/store.ts";
import type { Act, NewOne } from "./act.ts";
import type { Expectation, Request, Sent, Told } from "./fact.ts";
import type { Known } from "./model.ts";
import type { Access } from "./place.ts";
import type { Recorder } from "./recorder.ts";

/** What an event says, so that it can be found wherever a byte of it lies. */
export function contentOf(n: number): string {
  return `content-of-${n}.`;
}

const TYPE = "happened";

/** Does what a publisher does. */
export class Publishing {
  readonly #recorder: Recorder;
  /** What events that were sent hold, for those that are sent again. */
  readonly #sent = new Map<number, NewOne>();

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  async act(act: Act, access: Access): Promise<void> {
    switch (act.do) {
      case "publish":
        return await this.#publish(act, access);
      case "repeat":
        return await this.#repeat(act.pick, access);
      case "publish all":
        return await this.#publishAll(act.events, access);
    }
  }

  async #publish(act: Act & { do: "publish" }, access: Access): Promise<void> {
    const { topic, events, together = false, delayMs, ttlMs } = act;
    const expected = this.#expectation(act);
    for (const one of events) this.#sent.set(one.n, one);
    if (together && events.length > 1) {
      const request = requestOf(access, { topic, events, together, expected, ttlMs });
      const messages = events.map((one) => ({ ...messageOf(one), ...given({ ttlMs }) }));
      const work = () =>
        access.broker.publishBatch(topic, messages, given({ expected: wireOf(expected) }));
      await this.#recorder.ask(access.holder, request, work, receiptsOf(request.events));
      return;
    }
    await Promise.all(
      events.map((one) => this.#one(one, { topic, expected, delayMs, ttlMs }, access)),
    );
  }

  async #one(
    one: NewOne,
    how: { topic: string; expected?: Expectation; delayMs?: number; ttlMs?: number },
    access: Access,
  ): Promise<void> {
    const { topic, expected, delayMs, ttlMs } = how;
    const { payload, id, key } = messageOf(one);
    const request = requestOf(access, { ...how, events: [one], together: false });
    const schedule = delayMs === undefined ? undefined : { delayMs };
    const options = given({
      id,
      key,
      expected: schedule ? undefined : wireOf(expected),
      ttlMs,
      schedule,
    });
    const work = () => access.broker.publish(topic, TYPE, payload, options);
    const receipts = receiptsOf(request.events);
    await this.#recorder.ask(access.holder, request, work, (event) => receipts([event]));
  }

  async #repeat(pick: number, access: Access): Promise<void> {
    const named = [...this.#recorder.model.events.values()].filter(({ sent }) =>
      sent.id !== undefined && this.#sent.has(sent.n)
    );
    const known = named[pick % named.length];
    if (!known) return;
    await this.#one(this.#sent.get(known.sent.n)!, { topic: known.sent.topic }, access);
  }

  async #publishAll(
    events: readonly (NewOne & { topic: string })[],
    access: Access,
  ): Promise<void> {
    for (const one of events) this.#sent.set(one.n, one);
    const request: Request & { to: "publish" } = {
      to: "publish",
      publisher: access.holder,
      together: true,
      events: events.map((one) => sentOf(one, one.topic)),
    };
    const messages = events.map((one) => ({ ...messageOf(one), topic: one.topic }));
    const work = () => access.broker.publishAll(messages);
    await this.#recorder.ask(access.holder, request, work, receiptsOf(request.events));
  }

  /** What the publisher expects, by what it can know. */
  #expectation({ topic, events, expect }: Act & { do: "publish" }): Expectation | undefined {
    const key = events[0]?.key;
    const before = this.#recorder.model.numbered(topic)
      .filter(({ sent }) => key === undefined || sent.key === key).at(-1);
    switch (expect) {
      case "none":
        return "none";
      case "right":
        return before ? { seq: before.seq! } : "none";
      case "wrong":
        return { seq: (before?.seq ?? 0) + 1 };
      case "key seq":
        return { keySeq: keySeqOf(before) };
      default:
        return undefined;
    }
  }
}

function keySeqOf(before: Known | undefined): number {
  return before?.keySeq ?? 0;
}

function requestOf(
  { holder }: Access,
  { topic, events, ...how }: {
    topic: string;
    events: readonly NewOne[];
    together: boolean;
    expected?: Expectation;
    delayMs?: number;
    ttlMs?: number;
  },
): Request & { to: "publish" } {
  const sent = events.map((one) => sentOf(one, topic));
  return { to: "publish", publisher: holder, events: sent, ...given(how) } as Request & {
    to: "publish";
  };
}

function sentOf({ n, key, named }: NewOne, topic: string): Sent {
  return { n, topic, ...(named ? { id: `id-${n}` } : {}), ...(key === undefined ? {} : { key }) };
}

function messageOf({ n, key, named, script, takesMs }: NewOne) {
  const payload = { n, ...given({ script, takesMs }), text: contentOf(n) };
  return { type: TYPE, payload, ...given({ key, id: named ? `id-${n}` : undefined }) };
}

function receiptsOf(sent: readonly Sent[]): (events: readonly Event[]) => Told {
  return (events) => ({
    receipts: events.map(({ seq = 0, keySeq }, i) => ({
      n: sent[i]!.n,
      seq,
      ...given({ keySeq }),
    })),
  });
}

/** The library takes the number alone. */
function wireOf(expected: Expectation | undefined): Expected | undefined {
  return typeof expected === "object" && "seq" in expected ? expected.seq : expected;
}

/** The members that are there. */
function given<T extends Record<string, unknown>>(members: T): Partial<T> {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<T>;
}
