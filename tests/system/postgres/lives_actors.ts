/** What goes on in a {@link LivesWorld}: publishers, consumers, an operator, and trouble. */
import type { EventBroker } from "../../../mod.ts";
import { EvsError } from "../../../core/base/errors.ts";
import type { ImportedDeadLetter } from "../../../core/dead_letter/imported.ts";
import { retryNow } from "../../../core/delivery/scheduled_retries.ts";
import type { Lease } from "../../../core/delivery/leases.ts";
import type { DeadLetterRecord } from "../../../core/state/state.ts";
import { storedOfLine } from "../../../core/store/file/lines.ts";
import {
  type Delivered,
  type LivesWorld,
  type Name,
  NAMES,
  pause,
  SETTINGS,
  SUBSCRIPTIONS,
  TOPICS,
} from "./lives_world.ts";

const KEYS = 12;
const TYPE = "typed";
const EDITED = new TextEncoder().encode(`{"a":0}`);

/** Publishes so many times: single events, one on two nodes at once, batches, and groups. */
export async function publishAtRandom(
  world: LivesWorld,
  { name, count }: { name: string; count: number },
): Promise<void> {
  const random = world.random();
  for (let n = 0; n < count; n++) {
    const kind = Math.floor(random() * 10);
    const topic = TOPICS[Math.floor(random() * TOPICS.length)]!;
    const key = random() < 0.8 ? { key: `k${Math.floor(random() * KEYS)}` } : {};
    const one = { topic, id: `${name}-${n}`, ...key };
    const [first, second] = [world.any(random), world.any(random)];
    if (kind === 0) await Promise.all([first, second].map((broker) => publish(world, broker, one)));
    else if (kind === 1) await publishGroup(world, first, one);
    else if (kind === 2) await publishFirst(world, [first, second], one);
    else await publish(world, first, one);
    if (random() < 0.2) await pause(random() * 20);
  }
}

interface Publishing {
  topic: string;
  id: string;
  key?: string;
  expected?: { keySeq: number };
}

/** True if it was stored, as far as the publisher knows. */
async function publish(
  world: LivesWorld,
  broker: EventBroker,
  { topic, ...options }: Publishing,
): Promise<boolean> {
  const removals = world.removals.get(topic)!;
  const before = removals.count;
  const { id } = options;
  try {
    const { seq } = await broker.publish(topic, TYPE, { a: 1 }, options);
    world.published.push({ id, topic, seq, removals: [before, removals.count] });
    return true;
  } catch (error) {
    const isRefused = error instanceof EvsError && error.code === "event/conflict";
    if (!isRefused) world.unexpected(error, "publish");
    world.published.push({
      ...{ id, topic, removals: [before, removals.count] },
      ...(isRefused ? { refused: true } : {}),
    });
    return false;
  }
}

/** Two events of two topics, all or none. */
async function publishGroup(
  world: LivesWorld,
  broker: EventBroker,
  { id, key }: Publishing,
): Promise<void> {
  const topics = ["t.kept", "t.other"];
  const messages = topics.map((topic, n) => ({
    ...{ topic, type: TYPE, payload: { a: n }, id: `${id}-group-${n}` },
    ...(key === undefined ? {} : { key }),
  }));
  let seqs: (number | undefined)[] = [undefined, undefined];
  try {
    seqs = (await broker.publishAll(messages)).map(({ seq }) => seq);
  } catch (error) {
    world.unexpected(error, "publishAll");
  }
  for (const [n, topic] of topics.entries()) {
    const seq = seqs[n];
    const told = { id: `${id}-group-${n}`, topic, removals: [0, 0] as [number, number] };
    world.published.push(seq === undefined ? told : { ...told, seq });
  }
}

/** Two nodes are asked for the first event of a key: at most one of them stores it. */
async function publishFirst(
  world: LivesWorld,
  brokers: EventBroker[],
  { id }: Publishing,
): Promise<void> {
  const stored = await Promise.all(brokers.map((broker, n) =>
    publish(world, broker, {
      ...{ topic: "t.kept", id: `${id}-first-${n}`, key: `first of ${id}` },
      expected: { keySeq: 0 },
    })
  ));
  if (stored.every((one) => one)) world.errors.push(`both events were the first of key ${id}`);
}

/** Consumes one subscription on the broker of a number, whichever that is. */
export async function consume(world: LivesWorld, n: number, name: Name): Promise<void> {
  const random = world.random();
  while (!world.isOver) {
    try {
      const leases = await lease(world, n, { name, max: 1 + Math.floor(random() * 8) });
      if (leases.length === 0) await pause(10);
      else await handle(world, n, { name, leases, random });
    } catch (error) {
      world.unexpected(error, `consumer of ${name} on ${n}`);
      await pause(20);
    }
  }
}

interface Taken {
  lease: Lease;
  delivered: Delivered;
}

async function lease(
  world: LivesWorld,
  n: number,
  { name, max }: { name: Name; max: number },
): Promise<Taken[]> {
  const [lives, resets] = [world.lives.get(name)!, world.resets.get(name)!];
  const before = { life: lives.count, resets: resets.count };
  const request = { max, waitMs: 100 };
  const reply = await world.brokers[n]!.subscriptions.lease(name, request, { consumer: "c" });
  return reply.deliveries.map((lease) => {
    const { topic, seq, id, key, kind } = lease.entry;
    const delivered: Delivered = {
      ...{ name, topic, seq, id, key, attempt: lease.attempt, isRetry: kind === "retry" },
      ...{ acked: false, taken: false },
      life: lives.since(before.life),
      resets: resets.since(before.resets),
    };
    world.delivered.push(delivered);
    return { lease, delivered };
  });
}

/** Some events fail once, and some always, as long as handlers fail. */
function fails(world: LivesWorld, { lease: { entry: { seq }, attempt } }: Taken): boolean {
  const luck = (seq * 2654435761 >>> 0) % 100;
  return !world.isCalm && (luck < 15 || luck < 35 && attempt === 1);
}

async function handle(
  world: LivesWorld,
  n: number,
  { name, leases, random }: { name: Name; leases: Taken[]; random: () => number },
): Promise<void> {
  const { subscriptions } = world.brokers[n]!;
  if (random() < 0.3) await pause(random() * 10);
  if (random() < 0.05) {
    await subscriptions.release(name, leases.map(({ lease: { token } }) => token));
    return;
  }
  const bad = leases.filter((taken) => fails(world, taken));
  const good = leases.filter((taken) => !bad.includes(taken));
  // Unless it is told otherwise: an answer that was lost may have been taken.
  for (const { delivered } of good) delivered.acked = true;
  const acks = await subscriptions.ack(name, good.map(({ lease }) => lease.token));
  for (const { lease, delivered } of good) {
    delivered.taken = delivered.acked = !acks.lost.includes(lease.token);
  }
  const failures = bad.map(({ lease }) => ({ lease: lease.token, error: "no" }));
  const nacks = await subscriptions.nack(name, failures);
  for (const { lease, delivered } of bad) delivered.taken = !nacks.lost.includes(lease.token);
}

/** What an operator does, with how often. */
const ACTS: readonly [number, (world: LivesWorld, random: () => number) => Promise<unknown>][] = [
  [4, retryAll],
  [3, (world, random) => dismissOne(world, random)],
  [3, (world, random) => editOne(world, random)],
  [2, (world, random) => redactOne(world, random)],
  [2, (world, random) => retryDue(world, random)],
  [2, pauseAndResume],
  [1, (world, random) => seek(world, random)],
  [1, remakeSubscription],
  [1, remakeTopic],
  [1, changeSchema],
];

/** Acts at random, until `isOver`. */
export async function operate(world: LivesWorld, isOver: () => boolean): Promise<void> {
  const random = world.random();
  const acts = ACTS.flatMap(([weight, act]) => Array(weight).fill(act) as typeof act[]);
  while (!isOver()) {
    await acts[Math.floor(random() * acts.length)]!(world, random);
    await pause(random() * 60);
  }
}

/** What is done begins attempts, and the order of deliveries, anew. */
function resetting<T>(world: LivesWorld, name: Name, act: () => Promise<T>): Promise<T> {
  return world.resets.get(name)!.during(act);
}

function anyName(random: () => number): Name {
  return NAMES[Math.floor(random() * NAMES.length)]!;
}

function retryAll(world: LivesWorld, random: () => number): Promise<boolean> {
  const subscription = anyName(random);
  const { deadLetters } = world.any(random);
  return resetting(
    world,
    subscription,
    () => world.act("retry", () => deadLetters.retry({ subscription, all: true })),
  );
}

async function anyDead(
  world: LivesWorld,
  random: () => number,
): Promise<DeadLetterRecord | undefined> {
  let record: DeadLetterRecord | undefined;
  await world.act("look", async () => {
    const { records } = await world.any(random).deadLetters.records({}, { limit: 10 });
    record = records[Math.floor(random() * records.length)];
  });
  return record;
}

async function dismissOne(world: LivesWorld, random: () => number): Promise<void> {
  const record = await anyDead(world, random);
  if (!record) return;
  const { subscription, topic, id } = record;
  world.dismissed.add(`${subscription} ${topic} ${id}`);
  const { deadLetters } = world.any(random);
  await world.act("dismiss", () => deadLetters.remove({ ids: [`${subscription}:${id}`], topic }));
}

async function editOne(world: LivesWorld, random: () => number): Promise<void> {
  const record = await anyDead(world, random);
  if (!record) return;
  const { line, type: _type, key: _key, id, ...about } = record;
  world.dismissed.add(`${record.subscription} ${record.topic} ${id}`);
  const event = { ...storedOfLine(line)!, payload: EDITED };
  const entry = { ...about, event } as unknown as ImportedDeadLetter;
  const { deadLetterImports } = world.any(random);
  const name = record.subscription as Name;
  await resetting(world, name, () => world.act("edit", () => deadLetterImports.retry([entry], {})));
}

async function redactOne(world: LivesWorld, random: () => number): Promise<void> {
  const known = world.published.filter(({ seq }) => seq !== undefined);
  const one = known[Math.floor(random() * known.length)];
  if (!one) return;
  world.redacted.add(`${one.topic} ${one.seq}`);
  await world.act("redact", () => world.any(random).redact(one.topic, one.seq!));
}

async function retryDue(world: LivesWorld, random: () => number): Promise<void> {
  const { subscriptions } = world.any(random);
  await world.act("retries now", async () => {
    await retryNow(subscriptions.require(anyName(random)));
  });
}

async function pauseAndResume(world: LivesWorld, random: () => number): Promise<void> {
  const name = anyName(random);
  await world.act("pause", () => world.any(random).subscriptions.pause(name, { by: "person" }));
  await pause(random() * 50);
  await world.act("resume", () => world.any(random).subscriptions.resume(name));
}

async function seek(world: LivesWorld, random: () => number): Promise<void> {
  const { subscriptions } = world.any(random);
  await resetting(
    world,
    "sought",
    () => world.act("seek", () => subscriptions.seek("sought", { to: "start" })),
  );
}

async function remakeSubscription(world: LivesWorld, random: () => number): Promise<void> {
  const settings = { ...SETTINGS, maxRetries: 1 };
  const request = { topic: SUBSCRIPTIONS.made, from: "start", settings };
  const lives = world.lives.get("made")!;
  await lives.during(() =>
    resetting(world, "made", async () => {
      await world.act("remove", () => world.any(random).subscriptions.remove("made"));
      await pause(random() * 30);
      const make = async () => {
        const { subscriptions } = world.any(random);
        await subscriptions.put("made", request);
        const { record } = subscriptions.require("made");
        world.madeAt.set(`made ${lives.count + 1}`, record.createdAt);
      };
      while (!await world.act("make", make)) await pause(10);
    })
  );
}

async function remakeTopic(world: LivesWorld, random: () => number): Promise<void> {
  await world.removals.get("t.removed")!.during(async () => {
    await world.act("remove topic", () => world.any(random).topics.remove("t.removed"));
    await pause(random() * 30);
    await world.act("make topic", () => world.any(random).topics.create("t.removed"));
  });
}

let versions = 0;

async function changeSchema(world: LivesWorld, random: () => number): Promise<void> {
  const schema = { type: "object", title: `number ${++versions}` };
  await world.act("schema", () => world.any(random).registerSchema(TYPE, schema));
}

/** Ends connections, and closes brokers and opens them again, until `isOver`. */
export async function trouble(
  world: LivesWorld,
  { isOver, sql }: { isOver: () => boolean; sql: (text: string) => Promise<unknown> },
): Promise<void> {
  const random = world.random();
  const name = new URL(world.url).pathname.slice(1);
  while (!isOver()) {
    await pause(50 + random() * 400);
    if (random() < 0.7) {
      await sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = '${name}' AND application_name LIKE 'evs%' ORDER BY random() LIMIT 2`);
      world.acts.set("cut", (world.acts.get("cut") ?? 0) + 1);
    } else {
      const n = Math.floor(random() * world.brokers.length);
      await world.act("close", () => world.close(n));
      while (!await world.act("open", () => world.open(n))) await pause(50);
    }
  }
}
