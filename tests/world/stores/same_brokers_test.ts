/**
 * The three stores as each other's oracle below an `EventBroker`: one stream of publishing, retries,
 * dead letters, pauses, schedules, times to live, retention, redaction, restarts and kills. What is
 * delivered and in which order, every answer and refusal, statistics and dead letters are the same.
 */
import fc from "../../packages/fast_check.ts";
import { defined } from "../../../core/base/defined.ts";
import { dose } from "../../helpers/dose.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { inFolder } from "../../helpers/start.ts";
import { brokers, type Setup, type Step, tellAll, type Told } from "./brokers.ts";

interface Draft {
  topic: string;
  type: string;
  key: string | undefined;
  given: number | undefined;
  steps: Step[];
  ttlMs: number | undefined;
}

type Command =
  | { do: "publish"; event: Draft; delayMs: number | undefined; off: number | undefined }
  | { do: "publish batch" | "publish all"; events: Draft[] }
  | { do: "pass"; ms: number }
  | { do: "pause" | "resume"; subscription: number }
  | { do: "retry dead letter" | "redact"; pick: number }
  | { do: "retain" | "restart" | "kill" }
  | { do: "seek"; name: string; to: string }
  | { do: "halt" | "go on"; name: string; forMs: number | undefined }
  | { do: "limit"; topic: string; maxEvents: number }
  | { do: "remove topic"; topic: string };

const draft: fc.Arbitrary<Draft> = fc.record({
  topic: fc.constantFrom("t", "t", "u"),
  type: fc.constantFrom("a", "b"),
  key: fc.constantFrom(undefined, "k", "l"),
  given: fc.oneof(fc.constant(undefined), fc.nat(7)),
  steps: fc.array(
    fc.constantFrom<Step>("ok", "ok", "skip", "throw", "throw", "retry", "dead"),
    { maxLength: 4 },
  ),
  ttlMs: fc.constantFrom(undefined, undefined, undefined, 30, 5000),
});
const drafts = fc.array(draft, { minLength: 1, maxLength: 5 });

const command = fc.oneof<fc.WeightedArbitrary<Command>[]>(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("publish"),
      event: draft,
      delayMs: fc.constantFrom(undefined, undefined, undefined, 60, 4000),
      off: fc.constantFrom(undefined, undefined, 0, 1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("publish batch", "publish all"), events: drafts }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("pass"),
      ms: fc.constantFrom(1, 50, 120, 3000, 90_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("pause", "resume"), subscription: fc.nat(2) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("retry dead letter", "redact"), pick: fc.nat(30) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("retain", "restart", "kill") }) },
);

const name = fc.constantFrom("one", "all", "late");
const topic = fc.constantFrom("t", "u");
const administration = fc.oneof<fc.WeightedArbitrary<Command>[]>(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("seek"),
      name,
      to: fc.constantFrom("start", "end", "3", "-2"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("halt", "go on"),
      name,
      forMs: fc.constantFrom(undefined, 100, 5000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("limit"),
      topic,
      maxEvents: fc.constantFrom(0, 2, 10),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove topic"), topic }) },
);

const setup: fc.Arbitrary<Setup> = fc.record({
  concurrency: fc.constantFrom(1, 3),
  maxRetries: fc.constantFrom(0, 2),
  maxEvents: fc.constantFrom(0, 0, 3, 20),
  keep: fc.constantFrom("limits", "unconsumed"),
  drop: fc.constantFrom("limits", "consumed"),
});

/** The options and the payload of an event. */
function made(n: number, { key, given, steps, ttlMs }: Draft) {
  const id = given === undefined ? `own-${n}` : `given-${given}`;
  return { payload: { n, steps }, options: defined({ id, key, ttlMs }) };
}

/** What a command does with a broker; `n`: how many events were made before it. */
function act(command: Command, n: number): (told: Told) => Promise<unknown> {
  switch (command.do) {
    case "publish": {
      const { event, delayMs, off } = command;
      const { payload, options } = made(n, event);
      return async ({ broker }) => {
        const { lastSeq } = broker.store.head(event.topic);
        const expected = off === undefined || event.key !== undefined ? undefined : lastSeq + off;
        const schedule = delayMs === undefined || expected !== undefined ? undefined : { delayMs };
        const all = defined({ ...options, expected, schedule });
        return await broker.publish(event.topic, event.type, payload, all);
      };
    }
    case "publish batch": {
      const events = command.events.map((event, i) => messageOf(event, n + i));
      return ({ broker }) => broker.publishBatch("t", events);
    }
    case "publish all": {
      const events = command.events.map((event, i) => {
        return { topic: event.topic, ...messageOf(event, n + i) };
      });
      return ({ broker }) => broker.publishAll(events);
    }
    case "pass":
      return async ({ clock }) => await clock.pass(command.ms);
    case "pause":
      return ({ subscriptions }) => Promise.resolve(subscriptions[command.subscription]!.pause());
    case "resume":
      return ({ subscriptions }) => Promise.resolve(subscriptions[command.subscription]!.resume());
    case "seek":
    case "halt":
    case "go on":
    case "limit":
    case "remove topic":
      return administer(command);
    default:
      return actOfAPerson(command);
  }
}

function administer(
  command: Extract<Command, { do: "seek" | "halt" | "go on" | "limit" | "remove topic" }>,
): (told: Told) => Promise<unknown> {
  switch (command.do) {
    case "seek":
      return ({ broker }) => broker.subscriptions.seek(command.name, { to: command.to });
    case "halt": {
      const { name, forMs } = command;
      const request = defined({ reason: "the mail server moves", forMs });
      return async ({ broker }) => (await broker.subscriptions.pause(name, request)).paused;
    }
    case "go on":
      return async ({ broker }) => (await broker.subscriptions.resume(command.name)).paused;
    case "limit": {
      const { topic, maxEvents } = command;
      return ({ broker }) => broker.topics.update(topic, { maxEvents });
    }
    case "remove topic":
      return ({ broker }) => broker.topics.remove(command.topic);
  }
}

function messageOf(event: Draft, n: number) {
  const { payload, options } = made(n, event);
  return { type: event.type, payload, ...options };
}

function actOfAPerson(
  command: Extract<Command, { do: "retry dead letter" | "redact" | "retain" | "restart" | "kill" }>,
): (told: Told) => Promise<unknown> {
  switch (command.do) {
    case "retry dead letter":
      return async ({ broker }) => {
        const dead = await broker.getDeadLetterQueue().getEvents();
        const ids = dead.map(({ event }) => event.id).sort();
        return await broker.retryDeadLetter(ids[command.pick % ids.length] ?? "nobody");
      };
    case "redact":
      return async ({ broker }) => {
        const { firstSeq, lastSeq } = broker.store.head("t");
        return await broker.redact("t", firstSeq + command.pick % (lastSeq - firstSeq + 2));
      };
    case "retain":
      return ({ broker }) => broker.retain();
    case "restart":
      return (told) => told.restart();
    case "kill":
      return (told) => told.kill();
  }
}

Deno.test("the brokers on the three stores deliver, refuse and count alike", () =>
  inFolder(async (folder) => {
    let run = 0;
    const any = fc.oneof(
      { weight: 5, arbitrary: command },
      { weight: 1, arbitrary: administration },
    );
    const commands = fc.array(any, { minLength: 1, maxLength: 40, size: "max" });
    await assertSeeded(
      fc.asyncProperty(setup, commands, async (setup, commands) => {
        const own = `${folder}/${++run}`;
        await Deno.mkdir(own);
        const all = brokers(own, setup);
        let n = 0;
        try {
          await tellAll(all, "the beginning", () => Promise.resolve());
          for (const command of commands) {
            await tellAll(all, command.do, act(command, n));
            n += "events" in command ? command.events.length : 1;
          }
          await tellAll(all, "the end", ({ clock }) => clock.pass(200_000));
        } finally {
          for (const { broker } of all) await broker.close();
        }
        await Deno.remove(own, { recursive: true });
      }),
      { numRuns: dose(25), file: "tests/world/stores/same_brokers_test.ts" },
    );
  }));
