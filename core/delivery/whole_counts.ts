/**
 * A subscription over all nodes: what this one has of it is known exactly, of what others have is
 * known what they said last, and of what nobody has, what is stored. Pure.
 */
import type { SharedCounts } from "../state/shared_counts.ts";
import type { TopicHead } from "../event/topic_head.ts";
import { sumOfMissed } from "./part_lanes.ts";
import { positionsOf, type TopicPosition } from "./positions.ts";
import type { DeliveryQueue } from "./queue.ts";

/** How far a subscription is, over all nodes. */
export interface WholeCounts {
  positions: TopicPosition[];
  pending: number;
  leased: number;
  scheduled: number;
  /** When the oldest lease was made, Unix ms; absent: there is none. */
  leasedSince?: number;
}

/** As far as this node knows by itself. */
export function ownCounts(queue: DeliveryQueue): WholeCounts {
  const { pending, leased, scheduled, ready } = queue;
  const since = ready.leases.oldest?.grant.startedAt;
  return {
    ...{ positions: positionsOf(queue), pending, leased, scheduled },
    ...(since === undefined ? {} : { leasedSince: since }),
  };
}

/** Over all nodes. `topics`: those of the subscription, and where they begin and end. */
export function wholeCounts(
  queue: DeliveryQueue,
  { counts, topics }: { counts: SharedCounts; topics: ReadonlyMap<string, TopicHead> },
): WholeCounts {
  const own = ownCounts(queue);
  const { count, own: mine } = queue.lanes;
  const others = Array.from({ length: count }, (_, part) => part)
    .filter((part) => (mine & 1 << part) === 0);
  const states = new Map(counts.parts.map((state) => [state.part, state]));
  const free = others.filter((part) => states.get(part)?.node === undefined);
  const nodes = new Set(others.flatMap((part) => states.get(part)?.node ?? []));
  const loads = [...nodes].flatMap((node) => counts.loads.get(node) ?? []);
  const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);
  const nextOf = (topic: string, part: number) => {
    const at = (row: number) =>
      counts.cursors.find((one) => one.topic === topic && one.part === row);
    return Math.max((at(part) ?? at(-1))?.next ?? 1, topics.get(topic)!.firstSeq);
  };
  const behind = [...topics].map(([topic, { lastSeq }]) =>
    sum(free.map((part) => Math.max(0, lastSeq - nextOf(topic, part) + 1))) / count
  );
  const missedOf = (topic: string) =>
    others.length === 0 ? undefined : counts.missed.filter((row) => row.topic === topic)
      .map((row): TopicPosition["missed"] => ({ ...row, stored: row.count }))
      .reduce(sumOfMissed, undefined);
  const known = new Map(own.positions.map((position) => [position.topic, position]));
  const positions = Array.from(topics, ([topic, { lastSeq }]): TopicPosition => {
    const here = known.get(topic);
    const nexts = others.map((part) => nextOf(topic, part));
    return {
      topic,
      next: Math.min(...nexts, ...(here ? [here.next] : [])),
      lastSeq: Math.max(lastSeq, here?.lastSeq ?? 0),
      missed: missedOf(topic) ?? here?.missed,
    };
  });
  const since = [own, ...loads].flatMap(({ leasedSince }) => leasedSince ?? []);
  return {
    positions,
    // Rounded up: never nothing if something may wait.
    pending: own.pending + sum(loads.map(({ pending }) => pending)) + Math.ceil(sum(behind)),
    leased: own.leased + sum(loads.map(({ leased }) => leased)),
    scheduled: own.scheduled + sum(loads.map(({ scheduled }) => scheduled)) +
      sum(free.map((part) => states.get(part)?.scheduled ?? 0)),
    ...(since.length > 0 ? { leasedSince: Math.min(...since) } : {}),
  };
}
