/** What was done to this daemon, by which way and by whom. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h } from "../packages/preact.ts";
import { getJson, pathWith } from "../data/api.ts";
import { usePages } from "../data/pages.ts";
import { useSession } from "../data/session.ts";
import { Copyable } from "../parts/copyable.tsx";
import { FailureNotice } from "../parts/failure.tsx";
import { FilterBox } from "../parts/filter_box.tsx";
import { Empty } from "../parts/loading.tsx";
import { SubscriptionLink, TopicLink } from "../parts/place_link.tsx";
import { Ago } from "../parts/time.tsx";
import { type Column, VirtualTable } from "../parts/virtual_table.tsx";
import { actorText, type AuditAct, detailsText } from "../view/audit_rows.ts";
import { evsCommand } from "../view/command_line.ts";
import { countText, escapeText } from "../view/format.ts";
import type { Place } from "../view/place.ts";

const FILTERS = ["act", "topic", "subscription"] as const;

/** The page. */
export function AuditPage({ place }: { place: Place }) {
  const filter = Object.fromEntries(
    FILTERS.map((name) => [name, place.query.get(name)?.trim() || undefined]),
  );
  const pages = usePages<AuditAct>(JSON.stringify(filter), async (before, signal) => {
    const path = pathWith("/v1/audit", { ...filter, limit: 200, before });
    const { acts, next } = await getJson<{ acts: AuditAct[]; next?: number }>(path, signal);
    return { rows: acts, next: next === undefined ? undefined : String(next) };
  });
  const { rows, hasMore, isLoading, failure } = pages;
  const { evs } = useSession();
  return (
    <>
      <h1 tabIndex={-1}>Audit</h1>
      <div class="filters" role="search" aria-label="Filter">
        <FilterBox place={place} name="act" label="Act" />
        <FilterBox place={place} name="topic" label="Topic" />
        <FilterBox place={place} name="subscription" label="Subscription" />
      </div>
      <FailureNotice failure={failure} />
      <p class="quiet" aria-live="polite">
        {isLoading ? "Loading…" : `${countText(rows.length)}${hasMore ? "; scroll for more" : ""}`}
      </p>
      {rows.length === 0
        ? isLoading || failure !== undefined ? null : <Empty>Nothing was done.</Empty>
        : (
          <VirtualTable
            label="Acts"
            rows={rows}
            columns={columns}
            rowKey={({ number }) => String(number)}
            total={hasMore ? -1 : rows.length}
            onNearEnd={pages.more}
          />
        )}
      <Copyable
        text={evsCommand(evs, { words: ["audit"], flags: filter })}
        label="The command line"
      />
    </>
  );
}

const columns: readonly Column<AuditAct>[] = [
  { name: "at", title: "When", width: "7rem", cell: ({ at }) => <Ago at={at} /> },
  {
    name: "act",
    title: "Act",
    width: "minmax(8rem, 1.2fr)",
    cell: ({ act }) => <code>{escapeText(act)}</code>,
  },
  {
    name: "of",
    title: "Of",
    width: "minmax(6rem, 1fr)",
    cell: ({ topic, subscription }) =>
      subscription !== undefined
        ? <SubscriptionLink name={subscription} />
        : topic === undefined
        ? ""
        : <TopicLink name={topic} />,
  },
  {
    name: "by",
    title: "By (as claimed)",
    width: "minmax(8rem, 1.6fr)",
    from: 560,
    cell: (act) => actorText(act),
  },
  {
    name: "details",
    title: "Details",
    width: "minmax(8rem, 2fr)",
    from: 760,
    cell: (act) => detailsText(act),
  },
];
