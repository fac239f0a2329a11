/** Whether a soak's samples are flat. Pure. */

/** One look at the daemon. */
export interface Sample {
  /** Since the beginning, s. */
  at: number;
  /** Which life of the daemon: it rises by one with each restart. */
  life: number;
  /** Resident memory, MiB. */
  rss: number;
  descriptors: number;
  /** p99 of the publishes since the sample before, ms; undefined where there was none. */
  p99: number | undefined;
  /**
   * The same of a write and a sync to a file, without any daemon: what the machine takes just then,
   * ms.
   */
  control: number | undefined;
}

/** One series, and how much it grew. */
export interface Finding {
  name: string;
  unit: string;
  /** Undefined where there are no samples, which is not flat either. */
  early: number | undefined;
  late: number | undefined;
  flat: boolean;
}

/** How much memory may grow within one life, and from the first lives to the last, MiB. */
const RSS_ROOM = 24;
const DESCRIPTOR_ROOM = 8;
/**
 * The last third's p99 against the first's, and the same against the control where that has become
 * slower itself.
 */
const P99_FACTOR = 2;
/** Below this, ms, nothing is said of waits. */
const P99_FLOOR = 20;
/**
 * A life's first minute is not looked at, a quarter of a life where they are short: the runtime's
 * heap finds its size.
 */
const WARM_UP = 60;

/** Compares the last third of the samples with the first, and within each life. */
export function findings(samples: readonly Sample[]): Finding[] {
  const lives = new Set(samples.map(({ life }) => life)).size;
  const warmUp = Math.min(WARM_UP, (samples.at(-1)?.at ?? 0) / lives / 4);
  const warm = samples.filter(({ at, life }) => at - bornAt(samples, life) >= warmUp);
  const third = Math.floor(warm.length / 3);
  const [first, last] = [warm.slice(0, third), warm.slice(-third)];
  const [before, after] = [middle(first.map(control)), middle(last.map(control))];
  const slower = before === undefined || after === undefined ? 1 : Math.max(1, after / before);
  const compare = (
    name: string,
    unit: string,
    value: (sample: Sample) => number | undefined,
    isFlat: (early: number, late: number) => boolean,
  ): Finding => {
    const [early, late] = [middle(first.map(value)), middle(last.map(value))];
    return { name, unit, early, late, flat: isKnown(early, late) && isFlat(early!, late!) };
  };
  return [
    memoryOfLives(samples, warm),
    growthInLife(warm),
    compare(
      "descriptors",
      "",
      ({ descriptors }) => descriptors,
      (early, late) => late - early < DESCRIPTOR_ROOM,
    ),
    compare(
      "publish p99",
      "ms",
      ({ p99 }) => p99,
      (early, late) => late < Math.max(P99_FLOOR, early * P99_FACTOR * slower),
    ),
  ];
}

/**
 * From the first lives to the last, each at the age that all of them reach: the heap of a longer
 * life is larger.
 */
function memoryOfLives(samples: readonly Sample[], warm: readonly Sample[]): Finding {
  const age = ({ at, life }: Sample) => at - bornAt(samples, life);
  const oldest = Map.groupBy(samples, ({ life }) => life).values().map((life) => age(life.at(-1)!));
  const least = Math.min(...oldest);
  const peers = warm.filter((sample) => age(sample) <= least);
  const third = Math.floor(peers.length / 3);
  const early = middle(peers.slice(0, third).map(({ rss }) => rss));
  const late = middle(peers.slice(-third).map(({ rss }) => rss));
  const flat = isKnown(early, late) && late! - early! < RSS_ROOM;
  return { name: "memory", unit: "MiB", early, late, flat };
}

/** The longest life: what it weighed early and late in it. */
function growthInLife(warm: readonly Sample[]): Finding {
  const lives = Map.groupBy(warm, ({ life }) => life);
  const longest = [...lives.values()].toSorted((a, b) => b.length - a.length)[0] ?? [];
  const third = Math.max(1, Math.floor(longest.length / 3));
  const early = middle(longest.slice(0, third).map(({ rss }) => rss));
  const late = middle(longest.slice(-third).map(({ rss }) => rss));
  const name = "memory in one life";
  const flat = isKnown(early, late) && late! - early! < RSS_ROOM;
  return { name, unit: "MiB", early, late, flat };
}

function control(sample: Sample): number | undefined {
  return sample.control;
}

function isKnown(...values: (number | undefined)[]): boolean {
  return values.every((value) => value !== undefined);
}

function bornAt(samples: readonly Sample[], life: number): number {
  return samples.find((sample) => sample.life === life)!.at;
}

function middle(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined).toSorted((a, b) => a - b);
  return known[Math.floor(known.length / 2)];
}
