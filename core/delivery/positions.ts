/** Where a queue stands in each topic, over all parts that it has. */
import { cursorIn, sumOfMissed } from "./part_lanes.ts";
import type { TopicLane } from "./entry.ts";
import type { DeliveryQueue } from "./queue.ts";

/** Where a queue stands in a topic. */
export interface TopicPosition {
  topic: string;
  /** The first seq that is not settled: of the part that is furthest behind. */
  next: number;
  lastSeq: number;
  missed: TopicLane["missed"];
}

/** By topic. */
export function positionsOf({ lanes }: Pick<DeliveryQueue, "lanes">): TopicPosition[] {
  return Array.from(lanes.topics(), (topic) => {
    const all = lanes.of(topic);
    return {
      topic,
      next: Math.min(...all.map(cursorIn)),
      lastSeq: Math.max(...all.map(({ lastSeq }) => lastSeq)),
      missed: all.map(({ missed }) => missed).reduce(sumOfMissed, undefined),
    };
  });
}
