/**
 * From a seed to a life. Swarm-wise: each seed draws which features take part and how much each
 * weighs, because a life in which everything happens all the time finds less than many lives that
 * each do a few things often.
 */
import type { Plan, Random, Step } from "../types.ts";
import {
  type Act,
  type Behaviour,
  type NewOne,
  type Settings,
  stepOf,
  type TopicLimits,
} from "./act.ts";

const TOPICS = ["a", "b", "k.1", "k.2"] as const;
/** Subscriptions, and what each is on. */
const SUBSCRIPTIONS = { s1: "a", s2: "a", s3: "b", s4: "k.*" } as const;
const NAMES = Object.keys(SUBSCRIPTIONS) as (keyof typeof SUBSCRIPTIONS)[];
const CONSUMERS = ["c1", "c2"] as const;
const PUBLISHERS = ["p1", "p2"] as const;
const HOUR = 3_600_000;

/** Draws acts; numbers the events. */
class Maker {
  readonly random: Random;
  readonly settings: Record<string, Settings>;
  #last = 0;

  constructor(random: Random) {
    this.random = random;
    // Of a subscription they are the same all its life.
    this.settings = Object.fromEntries(NAMES.map((name) => [name, settings(random)]));
  }

  event(): NewOne {
    const { random } = this;
    const key = random.pick([undefined, undefined, "x", "y", "z"]);
    const behaviours: Behaviour[] = ["ok", "skip", "throw", "retry", "dead", "hopeless", "hang"];
    const script = Array.from(
      { length: random.chance(0.4) ? random.int(1, 4) : 0 },
      () => random.pick(behaviours),
    );
    return {
      n: ++this.#last,
      ...(key === undefined ? {} : { key }),
      ...(random.chance(0.4) ? { named: true } : {}),
      ...(script.length > 0 ? { script } : {}),
      ...(random.chance(0.3) ? { takesMs: random.pick([5, 50, 400]) } : {}),
    };
  }

  events(counts: readonly number[]): NewOne[] {
    return Array.from({ length: this.random.pick(counts) }, () => this.event());
  }

  get topic(): string {
    return this.random.pick(TOPICS);
  }

  get name(): keyof typeof SUBSCRIPTIONS {
    return this.random.pick(NAMES);
  }

  get pick(): number {
    return this.random.int(0, 99);
  }
}

function settings(random: Random): Settings {
  return {
    concurrency: random.pick([1, 1, 3, 8]),
    maxRetries: random.pick([0, 1, 3]),
    waitMs: random.pick([20, 100, 1000]),
    timeoutMs: random.pick([200, 1000]),
    maxDeliveries: random.pick([3, 10]),
    ...(random.chance(0.2) ? { batch: random.pick([2, 10]) } : {}),
    ...(random.chance(0.1) ? { rate: "5/s" } : {}),
    ...(random.chance(0.2) ? { prefetch: random.pick([1, 100]) } : {}),
  };
}

/** Each returns who does what. */
type Make = (maker: Maker) => readonly [actor: string, act: Act];

/** Features that take part in every life. */
const ALWAYS = ["publish", "subscribe"];

/** What acts there are, and how often each occurs relative to the others that take part. */
const FEATURES: Readonly<Record<string, readonly [weight: number, make: Make]>> = {
  publish: [18, (m) => [publisher(m), publish(m)]],
  subscribe: [6, (m) => [m.random.pick(CONSUMERS), subscribe(m)]],
  expect: [5, (m) => [publisher(m), expecting(m)]],
  repeat: [4, (m) => [publisher(m), { do: "repeat", pick: m.pick }]],
  "publish all": [3, (m) => [publisher(m), publishAll(m)]],
  schedule: [4, (m) => [publisher(m), scheduled(m)]],
  ttl: [3, (m) => [publisher(m), { ...publish(m), ttlMs: m.random.pick([50, 500, 5000]) }]],
  unsubscribe: [2, (m) => [m.random.pick(CONSUMERS), { do: "unsubscribe", name: m.name }]],
  "remove subscription": [0.5, (m) => ["op", { do: "remove subscription", name: m.name }]],
  pause: [3, (m) => ["op", pausing(m)]],
  seek: [
    0.7,
    (m) => ["op", { do: "seek", name: m.name, to: m.random.pick(["start", "end", "-2"]) }],
  ],
  lease: [5, (m) => ["hand", lease(m)]],
  "dead letters": [4, (m) => ["op", deadLetters(m)]],
  "retry now": [1, (m) => ["op", { do: "retry now", name: m.name }]],
  redact: [2, (m) => ["op", { do: "redact", pick: m.pick }]],
  cancel: [2, (m) => ["op", { do: "cancel", pick: m.pick }]],
  limits: [3, (m) => ["op", limits(m)]],
  "remove topic": [0.5, (m) => ["op", { do: "remove topic", topic: m.topic }]],
  read: [3, (m) => ["reader", { do: "read", topic: m.topic }]],
  tail: [2, (m) => ["reader", { do: "tail", topic: m.topic }]],
  clock: [
    2,
    (m) => chaos({ do: "clock", byMs: m.random.pick([-720, -24, -1, 1, 24, 720]) * HOUR }),
  ],
  "stand still": [
    2,
    (m) => chaos({ do: "stand still", who: anybody(m), ms: m.random.pick([500, 2000, 60_000]) }),
  ],
  stop: [2, () => chaos({ do: "stop daemon" })],
  kill: [3, () => chaos({ do: "kill daemon" })],
  "kill consumer": [
    3,
    (m) => chaos({ do: "kill", who: m.random.pick([...CONSUMERS, "hand", "p1"]) }),
  ],
  "power cut": [3, () => chaos({ do: "power cut" })],
  "kill at disk": [4, (m) => chaos({ do: "kill at disk", after: m.random.int(0, 40) })],
  "full disk": [
    2,
    (m) =>
      chaos({ do: "full disk", bytes: m.random.int(0, 20_000), ms: m.random.pick([500, 4000]) }),
  ],
  "disk fault": [1, (m) => chaos(diskFault(m))],
  cut: [2, (m) => chaos({ do: "cut", ...(m.random.chance(0.5) ? { who: anybody(m) } : {}) })],
  "half close": [1, (m) => chaos({ do: "half close", who: m.random.pick([...CONSUMERS, "p1"]) })],
  stall: [2, (m) => chaos({ do: "stall", ms: m.random.pick([300, 3000, 20_000]) })],
  network: [1, (m) => chaos(network(m))],
  damage: [1, (m) => chaos(damage(m))],
  "second daemon": [1, () => chaos({ do: "second daemon" })],
};

/** The names of all features. */
export const FEATURE_NAMES: readonly string[] = Object.keys(FEATURES);

/** Which features a life has. `without`: never these. */
function drawFeatures(random: Random, without: readonly string[]): string[] {
  // Half of the features in half of the lives; few, or nearly all, in the others.
  const share = random.pick([0.2, 0.5, 0.5, 0.9]);
  return FEATURE_NAMES.filter((name) =>
    ALWAYS.includes(name) || (random.chance(share) && !without.includes(name))
  );
}

/** The life of a seed. */
export function planLife(
  seed: number,
  random: Random,
  { without = [] }: { without?: readonly string[] } = {},
): Plan {
  const features = drawFeatures(random, without);
  const weights = Object.fromEntries(
    features.map((name) => [name, FEATURES[name]![0] * random.pick([0.3, 1, 1, 3])]),
  );
  const maker = new Maker(random);
  const pauses = random.pick([[0, 0, 1, 20], [0, 5, 50, 400], [50, 400, 1500, 6000]]);
  const steps: Step[] = [];
  const length = random.int(10, 70);
  for (let at = 0; steps.length < length; at += random.pick(pauses)) {
    const [actor, act] = FEATURES[random.weighted(weights)]![1](maker);
    steps.push(stepOf(act, { id: steps.length + 1, at, actor }));
  }
  const store = random.pick(["file", "file", "sqlite"]);
  return { seed, settings: { features, store }, steps };
}

function publisher(m: Maker): string {
  return m.random.pick(PUBLISHERS);
}

function anybody(m: Maker): string {
  return m.random.pick(["daemon", "daemon", ...CONSUMERS, ...PUBLISHERS]);
}

function chaos(act: Act): readonly [string, Act] {
  return ["chaos", act];
}

function publish(m: Maker): Act & { do: "publish" } {
  const events = m.events([1, 1, 1, 2, 5]);
  return { do: "publish", topic: m.topic, events, together: m.random.chance(0.5) };
}

function expecting(m: Maker): Act {
  const key = m.random.pick([undefined, "x", "y"]);
  const events = m.events([1, 1, 2]).map(({ key: _key, ...event }) =>
    key === undefined ? event : { ...event, key }
  );
  const expect = key !== undefined && events.length === 1 && m.random.chance(0.4)
    ? "key seq"
    : m.random.pick(["right", "right", "wrong", "none"] as const);
  return { do: "publish", topic: m.topic, events, together: true, expect };
}

function publishAll(m: Maker): Act {
  const count = m.random.int(2, 4);
  const events = Array.from({ length: count }, () => ({ ...m.event(), topic: m.topic }));
  return { do: "publish all", events };
}

function scheduled(m: Maker): Act {
  const delayMs = m.random.pick([10, 400, 3000, 60_000]);
  return { do: "publish", topic: m.topic, events: [m.event()], delayMs };
}

function subscribe(m: Maker): Act {
  const { name } = m;
  return { do: "subscribe", name, topic: SUBSCRIPTIONS[name], settings: m.settings[name]! };
}

function pausing(m: Maker): Act {
  const { name } = m;
  if (m.random.chance(0.5)) return { do: "resume", name };
  return {
    do: "pause",
    name,
    ...(m.random.chance(0.4) ? { forMs: m.random.pick([100, 2000]) } : {}),
  };
}

function lease(m: Maker): Act {
  return {
    do: "lease",
    name: m.name,
    max: m.random.pick([1, 3]),
    leaseMs: m.random.pick([1000, 3000]),
    afterMs: m.random.pick([0, 50, 700, 2500, 5000]),
    then: m.random.pick(["ack", "ack", "nack", "dead", "release", "nothing"]),
  };
}

function deadLetters(m: Maker): Act {
  const act = m.random.pick(["retry dead", "retry dead", "remove dead"] as const);
  return { do: act, pick: m.pick, all: m.random.chance(0.3) };
}

function limits(m: Maker): Act {
  const limits: TopicLimits = {
    maxEvents: m.random.pick([0, 3, 20]),
    retentionPeriod: m.random.pick([0, 0, 2000, 60_000]),
    keep: m.random.pick(["limits", "limits", "unconsumed"]),
    drop: m.random.pick(["limits", "limits", "consumed"]),
    deadMax: m.random.pick([0, 0, 2]),
  };
  if (m.random.chance(0.5)) return { do: "change topic", topic: m.topic, limits };
  const store = m.random.pick([undefined, "file", "sqlite"] as const);
  return { do: "create topic", topic: m.topic, limits: { ...limits, ...(store ? { store } : {}) } };
}

function diskFault(m: Maker): Act {
  const [kind, op] = m.random.pick(
    [
      ["EIO", "read"],
      ["EIO", "write"],
      ["EIO", "sync"],
      ["ENOSPC", "write"],
      ["short", "write"],
    ] as const,
  );
  return {
    do: "disk fault",
    kind,
    op,
    after: m.random.int(0, 10),
    times: m.random.pick([1, 3]),
    ms: m.random.pick([200, 3000]),
  };
}

function network(m: Maker): Act {
  return {
    do: "network",
    delayMs: m.random.pick([0, 1, 50, 1000]),
    cutChance: m.random.pick([0, 0, 0.01]),
    pieceBytes: m.random.pick([1, 100, 65_536]),
    ms: m.random.pick([500, 5000]),
  };
}

function damage(m: Maker): Act {
  return {
    do: m.random.pick(["flip bit", "flip bit", "take away"]),
    path: m.random.pick([".ndjson", "/events", "/events"]),
    nth: m.random.next(),
    at: m.random.next(),
    bit: m.random.int(0, 7),
  };
}
