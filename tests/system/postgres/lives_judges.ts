/** Judges of a {@link LivesWorld}: what its actors were told, against what is stored at the end. */
import type { StoredEvent } from "../../../core/event/event.ts";
import type { Postgres } from "../../../core/postgres/connection.ts";
import { type Delivered, type LivesWorld, type Name, NAMES, pause, TOPICS } from "./lives_world.ts";

/** What is stored when nothing goes on any more. */
export interface Stored {
  /** By topic. */
  events: Map<string, Pick<StoredEvent, "seq" | "id">[]>;
  firstSeq: Map<string, number>;
  retries: Place[];
  dead: Place[];
  pending: Place[];
}

interface Place {
  name: Name;
  topic: string;
  seq: number;
  id: string;
}

const NAMES_OF = "subscription AS name, topic, seq::int AS seq, id";
const PENDING = `
  SELECT sub.name, topics.name AS topic, seq::int AS seq, '' AS id
  FROM evs.subscriptions AS sub
    JOIN evs.topics ON topics.name ~ ('^' || replace(replace(sub.topic, '.', '\\.'), '*', '.*') || '$')
    JOIN evs.events USING (topic_id)
    LEFT JOIN evs.cursors AS own ON own.subscription = sub.name AND own.topic = topics.name
      AND own.part = slot % 16
    LEFT JOIN evs.cursors AS whole ON whole.subscription = sub.name AND whole.topic = topics.name
      AND whole.part = -1
  WHERE seq >= topics.first_seq AND seq >= coalesce(own.next, whole.next, 1)
    AND NOT EXISTS (SELECT 1 FROM evs.done WHERE done.subscription = sub.name
      AND done.topic = topics.name AND done.part = slot % 16 AND done.seq = events.seq)`;

async function placesOf(postgres: Postgres): Promise<Pick<Stored, "retries" | "dead" | "pending">> {
  const all = (text: string) => postgres.query<Place>("read", text);
  return {
    retries: await all(`SELECT ${NAMES_OF} FROM evs.retries`),
    dead: await all(`SELECT ${NAMES_OF} FROM evs.dead_letters`),
    pending: await all(PENDING),
  };
}

/**
 * How often it is looked while nothing happens: a part of a node that is gone is nobody's for 10 s,
 * and for as long others count what that said that it has.
 */
const MOST_LOOKS = 300;

/** Resolves when nothing is left to deliver; rejects if something stays. */
export async function quiet(world: LivesWorld, postgres: Postgres): Promise<void> {
  let [looks, before] = [0, ""];
  for (;;) {
    const { retries, pending } = await placesOf(postgres);
    if (retries.length + pending.length === 0) return;
    const now = `${world.delivered.length} ${retries.length} ${pending.length}`;
    looks = now === before ? looks + 1 : 0;
    before = now;
    if (looks > MOST_LOOKS) {
      const claims = await postgres.query("read", "SELECT * FROM evs.claims ORDER BY 1, 2");
      throw new Error(
        `nobody delivers ${JSON.stringify([...pending, ...retries].slice(0, 10))}; errors: ${
          world.errors.join("; ")
        }; claims: ${JSON.stringify(claims)}`,
      );
    }
    await pause(100);
  }
}

export async function readStored(world: LivesWorld, postgres: Postgres): Promise<Stored> {
  const store = world.brokers[0]!.getEventStore();
  const events = new Map<string, StoredEvent[]>();
  for (const topic of TOPICS) {
    events.set(topic, await store.getEvents(topic).catch(() => []) as StoredEvent[]);
  }
  const rows = await postgres.query<{ name: string; first: number }>(
    "read",
    "SELECT name, first_seq::int AS first FROM evs.topics",
  );
  const firstSeq = new Map(rows.map(({ name, first }) => [name, first]));
  return { events, firstSeq, ...await placesOf(postgres) };
}

/** What is wrong, in words. */
export function faultsIn(world: LivesWorld, stored: Stored): string[] {
  return [
    ...world.errors,
    ...publishedOnce(world, stored),
    ...onePlaceEach(stored),
    ...eachDelivered(world, stored),
    ...attemptsRise(world.delivered),
    ...keysInOrder(world),
  ];
}

/** Each acknowledged event is stored once, where it was said to be, unless its topic was removed. */
function publishedOnce({ published, removals }: LivesWorld, stored: Stored): string[] {
  const faults: string[] = [];
  for (const topic of TOPICS) {
    const events = stored.events.get(topic)!;
    const first = stored.firstSeq.get(topic) ?? 1;
    const ids = new Map(events.map(({ id, seq }) => [id, seq]));
    if (ids.size < events.length) faults.push(`${topic}: an id is stored twice`);
    const gap = events.find(({ seq }, n) => seq !== first + n);
    if (gap) faults.push(`${topic}: a gap before ${gap.seq}, and it begins with ${first}`);
    const told = published.filter((one) => one.topic === topic);
    for (const { id, seq, refused, removals: [, after] } of told) {
      if (refused && ids.has(id)) faults.push(`${topic}: ${id} was refused and is stored`);
      if (seq === undefined) continue;
      const isRemoved = seq < first && removals.get(topic)!.count > 0 &&
        after <= removals.get(topic)!.count;
      if (!isRemoved && ids.get(id) !== seq) {
        faults.push(`${topic}: ${id} was acknowledged as ${seq}, and is ${ids.get(id)}`);
      }
    }
    const known = new Set(told.map(({ id }) => id));
    const foreign = events.find(({ id }) => !known.has(id));
    if (foreign) faults.push(`${topic}: nobody has published ${foreign.id}`);
  }
  return [...faults, ...groupsWhole(stored)];
}

function groupsWhole({ events }: Stored): string[] {
  const halves = (topic: string, n: number) =>
    events.get(topic)!.map(({ id }) => id).filter((id) => id.endsWith(`-group-${n}`))
      .map((id) => id.slice(0, -2)).sort().join();
  return halves("t.kept", 0) === halves("t.other", 1) ? [] : ["a group is stored in part"];
}

/** Nothing waits any more, and what is dead is nowhere else. */
function onePlaceEach({ retries, pending, dead }: Stored): string[] {
  const nameOf = ({ name, topic, id }: Place) => `${name} ${topic} ${id}`;
  const all = [...retries, ...dead].map(nameOf);
  const twice = all.filter((one, n) => all.indexOf(one) !== n);
  const names = new Set(NAMES as string[]);
  return [
    ...pending.map((one) => `pending: ${nameOf(one)} ${one.seq}`),
    ...twice.map((one) => `dead, and to be retried: ${one}`),
    ...dead.filter(({ name }) => !names.has(name)).map((one) => `dead for nobody: ${nameOf(one)}`),
  ];
}

/** Each event is acknowledged, dead, or was put aside by a person. */
function eachDelivered(world: LivesWorld, stored: Stored): string[] {
  const faults: string[] = [];
  const dead = new Set(stored.dead.map(({ name, topic, seq }) => `${name} ${topic} ${seq}`));
  const madeAt = (name: Name, life: number) => world.madeAt.get(`${name} ${life}`);
  const acked = new Set(
    world.delivered.filter(({ acked, name, life }) =>
      acked &&
      (life === undefined || madeAt(name, life) === madeAt(name, world.lives.get(name)!.count))
    ).map(({ name, topic, seq }) => `${name} ${topic} ${seq}`),
  );
  for (const name of NAMES) {
    for (const topic of TOPICS) {
      if (name === "kept" && topic !== "t.kept" || name === "made" && topic !== "t.other") continue;
      for (const { seq, id } of stored.events.get(topic)!) {
        const event = `${name} ${topic} ${seq}`;
        if (acked.has(event) || dead.has(event)) continue;
        if (world.redacted.has(`${topic} ${seq}`)) continue;
        if (world.dismissed.has(`${name} ${topic} ${id}`)) continue;
        faults.push(`nobody has acknowledged ${event}`);
      }
    }
  }
  return faults;
}

/** Within what nobody has begun anew, no delivery of an event has a lower attempt than before. */
function attemptsRise(delivered: readonly Delivered[]): string[] {
  const last = new Map<string, number>();
  return delivered.flatMap(({ name, topic, id, seq, attempt, life, resets, taken }) => {
    if (life === undefined || resets === undefined || !taken) return [];
    const event = `${name} ${topic} ${id} ${seq}, life ${life}, resets ${resets}`;
    const before = last.get(event) ?? 0;
    last.set(event, attempt);
    return attempt < before ? [`attempt ${attempt} after ${before}: ${event}`] : [];
  });
}

/**
 * First deliveries of a key are in the order of its events. A node that has not heard yet that the
 * subscription was removed delivers what it has, and no answer to that is taken. The dead letters of
 * one that was removed can be retried in the one that has its name, before it comes to the same
 * events.
 */
function keysInOrder({ delivered, madeAt }: LivesWorld): string[] {
  const newest = new Map<string, number>();
  const begun = new Set<string>();
  return delivered.flatMap(({ name, topic, key, seq, life: count, resets, taken, isRetry }) => {
    // Where it could not be removed, it is the one that was there before.
    const life = count === undefined ? undefined : madeAt.get(`${name} ${count}`);
    const event = `${name} ${topic} ${seq}`;
    const isFirst = !begun.has(`${event} ${life}`) && !begun.has(`${event} ${undefined}`);
    begun.add(`${event} ${life}`);
    if (key === undefined || !taken || isRetry) return [];
    // Where a topic is made again, its numbers go on.
    const lane = `${name} ${topic} ${key}, life ${life}`;
    const before = newest.get(lane) ?? 0;
    newest.set(lane, Math.max(before, seq));
    if (life === undefined || resets === undefined || !isFirst || name === "sought") return [];
    return seq < before ? [`${seq} came first after ${before}: ${lane}`] : [];
  });
}

/** What each broker says of it is what there is. */
export async function countsAreRight(world: LivesWorld, { dead }: Stored): Promise<string[]> {
  const expected = JSON.stringify(NAMES.map((name) => ({
    name,
    ...{ pending: 0, leased: 0, scheduled: 0 },
    dead: dead.filter((one) => one.name === name).length,
  })));
  const faults: string[] = [];
  for (const [n, { subscriptions, deadLetters }] of world.brokers.entries()) {
    let said = "";
    for (let looks = 0; looks < MOST_LOOKS && said !== expected; looks++) {
      if (looks > 0) await pause(100);
      said = JSON.stringify(
        await Promise.all(NAMES.map(async (name) => {
          const { pending, leased, scheduled } = await subscriptions.info(name);
          const count = await deadLetters.count({ subscription: name });
          return { name, pending, leased, scheduled, dead: count };
        })),
      );
    }
    if (said !== expected) faults.push(`node ${n} says ${said}, and there is ${expected}`);
  }
  return faults;
}
