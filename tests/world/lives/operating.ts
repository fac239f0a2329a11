/** Operators and readers. */
import type { Act } from "./act.ts";
import type { Access } from "./place.ts";
import type { Recorder } from "./recorder.ts";

/** Does what operators and readers do. */
export class Operating {
  readonly #recorder: Recorder;
  #readers = 0;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  async act(act: Act, access: Access): Promise<void> {
    const { holder, operator } = access;
    const ask = this.#recorder.ask.bind(this.#recorder, holder);
    switch (act.do) {
      case "create topic": {
        const { topic, limits } = act;
        await ask({ to: act.do, topic, limits }, () => operator.createTopic(topic, limits));
        return;
      }
      case "change topic": {
        const { topic, limits } = act;
        await ask({ to: act.do, topic, limits }, () => operator.changeTopic(topic, limits));
        return;
      }
      case "remove topic":
        await ask({ to: act.do, topic: act.topic }, () => operator.removeTopic(act.topic));
        return;
      case "remove subscription":
        await ask({ to: act.do, name: act.name }, () => operator.removeSubscription(act.name));
        return;
      case "pause":
        await ask(
          { to: act.do, name: act.name, forMs: act.forMs },
          () => operator.pause(act.name, act.forMs),
        );
        return;
      case "resume":
        await ask({ to: act.do, name: act.name }, () => operator.resume(act.name));
        return;
      case "seek":
        await ask({ to: act.do, name: act.name }, () => operator.seek(act.name, act.to));
        return;
      case "retry now":
        await ask({ to: act.do, name: act.name }, () => operator.retryNow(act.name));
        return;
      case "retry dead":
      case "remove dead":
        return await this.#deadLetters(act, access);
      case "redact":
        return await this.#redact(act.pick, access);
      case "cancel":
        return await this.#cancel(act.pick, access);
      case "read":
        return await this.read(act.topic, access);
      case "tail":
        return await this.#tail(act.topic, access);
    }
  }

  async #deadLetters(
    { do: to, pick, all }: Act & { do: "retry dead" | "remove dead" },
    { holder, operator }: Access,
  ): Promise<void> {
    let listed;
    try {
      listed = await operator.deadLetters();
    } catch (error) {
      return this.#recorder.failed(error, "the list of dead letters");
    }
    const chosen = all ? listed : listed.slice(pick % listed.length, pick % listed.length + 1);
    const entries = chosen.flatMap((one) => {
      const n = this.#recorder.model.which(one);
      return n < 0 ? [] : [{ subscription: one.subscription, n }];
    });
    if (entries.length === 0) return;
    const names = chosen.map(({ subscription, id }) => `${subscription}:${id}`);
    await this.#recorder.ask(
      holder,
      { to, entries },
      () => to === "retry dead" ? operator.retryDead(names) : operator.removeDead(names),
      ({ count }) => ({ count }),
    );
  }

  async #redact(pick: number, { holder, operator }: Access): Promise<void> {
    const { model } = this.#recorder;
    const known = [...model.events.values()].flatMap(({ sent: { n, topic }, seq, id }) => {
      if (seq === undefined) return [];
      // Since a file was gone, another event may have the number: only the id says which is meant.
      const event = model.log(topic).isDamaged ? id : seq;
      return event === undefined ? [] : [{ n, topic, seq, event }];
    });
    const chosen = known[pick % known.length];
    if (!chosen) return;
    const { n, topic, seq, event } = chosen;
    await this.#recorder.ask(
      holder,
      { to: "redact", topic, n, seq },
      () => operator.redact(topic, event),
    );
  }

  async #cancel(pick: number, { holder, operator }: Access): Promise<void> {
    const known = [...this.#recorder.model.events.values()].filter(({ state, sent }) =>
      state === "scheduled" && sent.id !== undefined
    );
    const { sent: { n, topic, id } } = known[pick % known.length] ?? { sent: {} };
    if (n === undefined || topic === undefined || id === undefined) return;
    await this.#recorder.ask(holder, { to: "cancel", n }, () => operator.cancel(topic, id));
  }

  /** Reads a topic from its start to its end. */
  async read(topic: string, { holder, operator }: Access): Promise<void> {
    const askedAt = this.#recorder.now;
    const reader = `${holder} read ${++this.#readers}`;
    try {
      const events = (await operator.read(topic)).map((event) => this.#recorder.seen(event));
      this.#recorder.note({ is: "read", reader, topic, askedAt, events });
    } catch (error) {
      this.#recorder.failed(error, `a read of ${topic}`);
    }
  }

  /** Follows a topic until the process ends. */
  async #tail(topic: string, { holder, broker }: Access): Promise<void> {
    const reader = `${holder} tail ${++this.#readers}`;
    const onMissed = ({ topic, from, to }: { topic: string; from: number; to: number }) =>
      this.#recorder.note({ is: "missed", reader, topic, from, to });
    try {
      for await (const event of broker.stream(topic, { from: "start", onMissed })) {
        this.#recorder.note({ is: "shown", reader, event: this.#recorder.seen(event) });
      }
    } catch (error) {
      this.#recorder.failed(error, `a tail of ${topic}`);
    }
  }
}
