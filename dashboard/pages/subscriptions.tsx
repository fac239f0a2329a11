/** All subscriptions. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h, useMemo } from "../packages/preact.ts";
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import { useLive } from "../data/live.ts";
import { Badge } from "../parts/badge.tsx";
import { FilterBox } from "../parts/filter_box.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { SubscriptionLink } from "../parts/place_link.tsx";
import { useSorting } from "../parts/use_sorting.ts";
import { type Column, VirtualTable } from "../parts/virtual_table.tsx";
import { countText, escapeText, spanText } from "../view/format.ts";
import type { Place } from "../view/place.ts";
import {
  matching,
  oldestAge,
  subscriptionState,
  subscriptionValues,
} from "../view/subscription_rows.ts";

/** The page. */
export function SubscriptionsPage({ place }: { place: Place }) {
  const live = useLive<{ subscriptions: SubscriptionInfo[] }>("/v1/subscriptions");
  return (
    <>
      <div class="bar">
        <h1 tabIndex={-1}>Subscriptions</h1>
        <FilterBox place={place} name="name" label="Name or topic" />
      </div>
      <Loaded live={live}>
        {({ subscriptions }) => (
          <SubscriptionTable all={subscriptions} text={place.query.get("name") ?? ""} />
        )}
      </Loaded>
    </>
  );
}

const columns: readonly Column<SubscriptionInfo>[] = [
  {
    name: "name",
    title: "Name",
    width: "minmax(8rem, 2fr)",
    cell: ({ name }) => <SubscriptionLink name={name} />,
  },
  {
    name: "topic",
    title: "Topic",
    width: "minmax(6rem, 2fr)",
    from: 560,
    cell: ({ topic }) => escapeText(topic),
  },
  {
    name: "state",
    title: "State",
    width: "minmax(6.5rem, 1fr)",
    cell: (info) => {
      const { tone, text } = subscriptionState(info);
      return <Badge tone={tone}>{text}</Badge>;
    },
  },
  number("pending", "Pending", ({ pending }) => countText(pending)),
  number("leased", "In flight", ({ leased }) => countText(leased), 620),
  number("scheduled", "Retries", ({ scheduled }) => countText(scheduled), 700),
  number("dead", "Dead", ({ dead }) => countText(dead), 360),
  number("oldest", "Oldest", (info) => {
    const age = oldestAge(info, Date.now());
    return age === undefined ? "" : spanText(age);
  }, 480),
];

function number(
  name: string,
  title: string,
  cell: Column<SubscriptionInfo>["cell"],
  from?: number,
): Column<SubscriptionInfo> {
  return { name, title, cell, from, isNumber: true, width: "minmax(4.5rem, 0.7fr)" };
}

function SubscriptionTable({ all, text }: { all: SubscriptionInfo[]; text: string }) {
  const rows = useMemo(() => matching(all, text), [all, text]);
  const { sorted, sorting, sort } = useSorting(rows, {
    values: subscriptionValues,
    initial: { by: "name", isDescending: false },
    texts: ["name", "topic", "state"],
  });
  if (all.length === 0) {
    return (
      <Empty>There are no subscriptions. evs consume and evs subscription create make them.</Empty>
    );
  }
  if (rows.length === 0) return <Empty>No subscription has this in its name or topic.</Empty>;
  return (
    <VirtualTable
      label="Subscriptions"
      rows={sorted}
      columns={columns}
      rowKey={({ name }) => name}
      sorting={sorting}
      onSort={sort}
    />
  );
}
