/**
 * Which types and keys a topic has, and how many events of each: counted in its newest events,
 * because a topic may have any number. What was counted is told with the counts.
 */
import type { Client } from "../../core/client/client.ts";
import { openFeed } from "../../core/client/feed.ts";
import { linesIn } from "../../core/base/bytes.ts";
import type { Clock } from "../../core/base/clock.ts";
import { FieldReader } from "../../core/json/fields.ts";
import type { TopicInfo } from "../../core/protocol/protocol.ts";
import { defined } from "../../core/base/defined.ts";
import { ago } from "../terminal/age.ts";
import { formatCount, formatTime, plural } from "../terminal/table.ts";

/** At most this many events are counted. */
const MOST_EVENTS = 10_000;
/** About this many bytes of them are read: events may be large. */
const ABOUT_BYTES = 16 * 1024 * 1024;
/** This many types and keys are listed, those with the most events first. */
const MOST_LISTED = 100;
/** A terminal shows this many. */
const SHOWN = 8;

/** Names with the most events first. */
export interface NameCounts {
  /** How many different names there are. */
  distinct: number;
  most: { name: string; events: number }[];
}

/** The types and keys of a topic's newest events. */
export interface TopicContents {
  counted: {
    events: number;
    /** True if these are all events of the topic. */
    complete: boolean;
  };
  types: NameCounts;
  keys: NameCounts & { eventsWithout: number };
}

/** How many of the newest events to count. */
export function countedEvents({ events, bytes }: Pick<TopicInfo, "events" | "bytes">): number {
  if (events === 0) return 0;
  const affordable = Math.floor(ABOUT_BYTES / Math.max(1, bytes / events));
  return Math.min(events, MOST_EVENTS, Math.max(1, affordable));
}

/** Counts the newest events of a topic. */
export async function topicContents(
  client: Client,
  { topic, clock, say }: { topic: TopicInfo; clock: Clock; say: (text: string) => void },
): Promise<TopicContents> {
  const { name, firstSeq, lastSeq } = topic;
  const wanted = countedEvents(topic);
  const tally = new Tally();
  if (wanted > 0) {
    const from = lastSeq - wanted + 1;
    const { blocks } = openFeed(client, {
      query: { topic: [name], from: String(from), to: String(lastSeq) },
      clock,
      say,
    });
    for await (const block of blocks) tally.add(block);
    // Retention may delete some meanwhile: then fewer are counted, and those are not all.
    return tally.result({ complete: from <= firstSeq && tally.events === topic.events });
  }
  return tally.result({ complete: topic.persistent });
}

/** Counts wire lines by type and by key. */
class Tally {
  events = 0;
  readonly #reader = new FieldReader([["type"], ["key"]]);
  readonly #types = new Map<string, number>();
  readonly #keys = new Map<string, number>();
  #withoutKey = 0;

  add(block: Uint8Array): void {
    for (const { bytes } of linesIn(block)) {
      const { type, key } = (this.#reader.read(bytes, 0) ??
        JSON.parse(new TextDecoder().decode(bytes))) as { type: string; key?: string };
      this.events++;
      increase(this.#types, type);
      if (key === undefined) this.#withoutKey++;
      else increase(this.#keys, key);
    }
  }

  result({ complete }: { complete: boolean }): TopicContents {
    return {
      counted: { events: this.events, complete },
      types: mostOf(this.#types),
      keys: { ...mostOf(this.#keys), eventsWithout: this.#withoutKey },
    };
  }
}

function increase(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function mostOf(counts: ReadonlyMap<string, number>): NameCounts {
  const most = Array.from(counts, ([name, events]) => ({ name, events }))
    .sort((a, b) => b.events - a.events || (a.name < b.name ? -1 : 1))
    .slice(0, MOST_LISTED);
  return { distinct: counts.size, most };
}

/** The same for people. */
export function contentsFacts({ counted, types, keys }: TopicContents): Record<string, unknown> {
  if (counted.events === 0) return {};
  const without = keys.eventsWithout === 0 ? [] : [`${formatCount(keys.eventsWithout)}  (no key)`];
  return {
    types: listed(types),
    keys: [...listed(keys), ...without],
    counted: counted.complete ? undefined : `only the newest ${plural(counted.events, "event")}`,
  };
}

function listed({ distinct, most }: NameCounts): string[] {
  const lines = most.slice(0, SHOWN).map(({ name, events }) => `${formatCount(events)}  ${name}`);
  return distinct > lines.length
    ? [...lines, `and ${formatCount(distinct - lines.length)} more`]
    : lines;
}

/** What is published to it, and when something was last. */
export function rateFacts({ rates, newestAt }: TopicInfo, now: number): Record<string, unknown> {
  const { last1m, last5m, last15m } = rates;
  return defined({
    rate: `${perSecond(last1m)} over 1m, ${perSecond(last5m)} over 5m, ${
      perSecond(last15m)
    } over 15m`,
    newest: newestAt === undefined ? undefined : `${ago(now - newestAt)} (${formatTime(newestAt)})`,
  });
}

/** `12.3/s`; three digits are enough. */
function perSecond(rate: number): string {
  return `${rate < 100 ? Number(rate.toPrecision(3)) : Math.round(rate)}/s`;
}
