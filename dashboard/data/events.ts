/** Events of a topic: pages of what is stored, and what comes in. */
import { useEffect, useState } from "../packages/preact.ts";
import { EventLine, withNewest } from "../view/event_line.ts";
import { eventQuery, type EventView } from "../view/event_view.ts";
import { pathSegment, pathWith, RequestFailure, send } from "./api.ts";
import { lineBatches } from "./lines.ts";
import type { ListPage } from "./pages.ts";

const PAGE = 100;
/** So many of what has come in are kept. */
const MOST_FOLLOWED = 1_000;
/** After a stream broke off. */
const AGAIN_MS = 1_000;

function pathOf(topic: string): string {
  return `/v1/topics/${pathSegment(topic)}/events`;
}

/** Some events, as the view says: newest first, or from an offset on. */
export async function eventPage(
  view: EventView,
  { after, signal, limit = PAGE }: {
    after: string | undefined;
    signal: AbortSignal;
    limit?: number;
  },
): Promise<ListPage<EventLine>> {
  const path = pathWith(pathOf(view.topic), { ...eventQuery(view), limit, after });
  const text = await (await send(path, { signal })).text();
  const rows = text.split("\n").filter((line) => line !== "").map((line) => new EventLine(line));
  const last = rows.at(-1);
  return {
    rows,
    next: last === undefined || rows.length < limit ? undefined : `${view.topic}:${last.event.seq}`,
  };
}

/** What came in since somebody began to look. */
export interface Followed {
  rows: readonly EventLine[];
  count: number;
  failure: RequestFailure | undefined;
}

/** Follows a topic, if `view` is given. */
export function useFollowed(view: EventView | undefined): Followed {
  const [followed, setFollowed] = useState<Followed>(NOTHING);
  useEffect(() => {
    setFollowed(NOTHING);
    if (view === undefined) return;
    const stopping = new AbortController();
    void follow(view, {
      signal: stopping.signal,
      take: (lines) =>
        setFollowed(({ rows, count }) => ({
          rows: withNewest(rows, { lines, most: MOST_FOLLOWED }),
          count: count + lines.length,
          failure: undefined,
        })),
      fail: (failure) => setFollowed((before) => ({ ...before, failure })),
    });
    return () => stopping.abort();
  }, [JSON.stringify(view)]);
  return followed;
}

const NOTHING: Followed = { rows: [], count: 0, failure: undefined };

/** Goes on behind the last event when the stream broke off. */
async function follow(
  { topic, type, where }: EventView,
  { signal, take, fail }: {
    signal: AbortSignal;
    take: (lines: string[]) => void;
    fail: (failure: RequestFailure) => void;
  },
): Promise<void> {
  let after: string | undefined;
  while (!signal.aborted) {
    const query = { follow: 1, heartbeat: "15s", from: "end", type, where, after };
    try {
      const response = await send(pathWith(pathOf(topic), query), { signal });
      for await (const lines of lineBatches(response.body!)) {
        after = `${topic}:${new EventLine(lines.at(-1)!).event.seq}`;
        take(lines);
      }
    } catch (error) {
      if (signal.aborted) return;
      // What broke off midway is no failure of ours: it is asked for again.
      if (error instanceof RequestFailure) {
        fail(error);
        if (!error.isAway) return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}
