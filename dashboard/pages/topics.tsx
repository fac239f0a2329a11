/** All topics. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h, useMemo } from "../packages/preact.ts";
import type { TopicInfo } from "../../core/protocol/protocol.ts";
import { useLive } from "../data/live.ts";
import { FilterBox } from "../parts/filter_box.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { TopicLink } from "../parts/place_link.tsx";
import { Ago } from "../parts/time.tsx";
import { useSorting } from "../parts/use_sorting.ts";
import { type Column, VirtualTable } from "../parts/virtual_table.tsx";
import { countNoun, countText, escapeText, formatBytes, perSecondText } from "../view/format.ts";
import type { Place } from "../view/place.ts";
import { matching } from "../view/subscription_rows.ts";
import { topicValues } from "../view/topic_rows.ts";

/** The page. */
export function TopicsPage({ place }: { place: Place }) {
  const live = useLive<{ topics: TopicInfo[] }>("/v1/topics");
  return (
    <>
      <div class="bar">
        <h1 tabIndex={-1}>Topics</h1>
        <FilterBox place={place} name="name" label="Name" />
      </div>
      <Loaded live={live}>
        {({ topics }) => <TopicTable all={topics} text={place.query.get("name") ?? ""} />}
      </Loaded>
    </>
  );
}

const columns: readonly Column<TopicInfo>[] = [
  {
    name: "name",
    title: "Name",
    width: "minmax(9rem, 3fr)",
    cell: ({ name }) => <TopicLink name={name} />,
  },
  number("events", "Events", ({ events }) => countText(events)),
  number("bytes", "Size", ({ bytes }) => formatBytes(bytes), 520),
  number("rate", "Rate", ({ rates }) => perSecondText(rates.last1m), 420),
  number(
    "newest",
    "Newest",
    ({ newestAt }) => newestAt === undefined ? "" : <Ago at={newestAt} />,
    640,
  ),
  text("store", "Store", ({ store }) => escapeText(store)),
  text("schema", "Schema", ({ schema }) => escapeText(schema)),
];

function number(
  name: string,
  title: string,
  cell: Column<TopicInfo>["cell"],
  from?: number,
): Column<TopicInfo> {
  return { name, title, cell, from, isNumber: true, width: "minmax(5rem, 1fr)" };
}

function text(name: string, title: string, cell: Column<TopicInfo>["cell"]): Column<TopicInfo> {
  return { name, title, cell, from: 860, width: "minmax(4.5rem, 0.7fr)" };
}

function TopicTable({ all, text }: { all: TopicInfo[]; text: string }) {
  const rows = useMemo(() => matching(all, text), [all, text]);
  const { sorted, sorting, sort } = useSorting(rows, {
    values: topicValues,
    initial: { by: "name", isDescending: false },
    texts: ["name", "store", "schema"],
  });
  if (all.length === 0) {
    return <Empty>There are no topics. The first evs publish to a topic makes it.</Empty>;
  }
  if (rows.length === 0) return <Empty>No topic has this in its name.</Empty>;
  return (
    <>
      <p class="quiet" aria-live="polite">
        {rows.length === all.length
          ? countNoun(all.length, "topic")
          : `${countText(rows.length)} of ${countNoun(all.length, "topic")}`}
      </p>
      <VirtualTable
        label="Topics"
        rows={sorted}
        columns={columns}
        rowKey={({ name }) => name}
        sorting={sorting}
        onSort={sort}
      />
    </>
  );
}
