/** Which events of a topic are shown. It stands in the address. Pure. */
import type { Flags } from "./command_line.ts";

/** Texts as they are typed; empty ones are absent. */
export interface EventView {
  topic: string;
  type?: string;
  /** CEL. */
  where?: string;
  /** An offset: from there on, oldest first; absent: the newest first. */
  from?: string;
}

/** The view of an address. */
export function eventViewOf(topic: string, query: URLSearchParams): EventView {
  const given = (name: string) => query.get(name)?.trim() || undefined;
  return { topic, type: given("type"), where: given("where"), from: given("from") };
}

/** The query of `GET /v1/topics/{topic}/events`. */
export function eventQuery(
  { type, where, from }: EventView,
): Record<string, string | number | undefined> {
  return from === undefined ? { type, where, reverse: 1 } : { type, where, from };
}

/** The command that shows the same. */
export function tailWords(
  { topic, type, where, from }: EventView,
  { isLive }: { isLive: boolean },
): { words: string[]; flags: Flags } {
  if (isLive) return { words: ["tail", topic], flags: { type, where } };
  return from === undefined
    ? { words: ["replay", topic], flags: { type, where, reverse: true, limit: 100 } }
    : { words: ["replay", topic], flags: { type, where, from } };
}
