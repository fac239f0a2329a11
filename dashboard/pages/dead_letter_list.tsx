/** The list of dead letters, narrowed by a filter; what is done with it is done with all that match. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h, useState } from "../packages/preact.ts";
import type { DeadLetterInfo } from "../../core/protocol/protocol.ts";
import type { StatusReply } from "../../core/protocol/status.ts";
import { RequestFailure } from "../data/api.ts";
import { deadLetterPage, download, exportDeadLetters } from "../data/dead_letters.ts";
import { useGroupSupport } from "../data/group_support.ts";
import { useLive } from "../data/live.ts";
import { notify } from "../data/notices.ts";
import { usePages } from "../data/pages.ts";
import { useSession } from "../data/session.ts";
import { ActButton } from "../parts/act_button.tsx";
import { FailureNotice } from "../parts/failure.tsx";
import { FilterBox } from "../parts/filter_box.tsx";
import { Empty } from "../parts/loading.tsx";
import { Ago } from "../parts/time.tsx";
import { type Column, VirtualTable } from "../parts/virtual_table.tsx";
import { type DeadLetterView, filterOf, sinceField, viewOf } from "../view/dead_letter_filter.ts";
import { countText, escapeText } from "../view/format.ts";
import { hashOf, type Place } from "../view/place.ts";
import { RemoveManyDialog, RetryManyDialog, undoRemoval } from "./dead_letter_acts.tsx";
import { DeadLettersHead } from "./dead_letters_nav.tsx";

/** The page. */
export function DeadLetterListPage({ place }: { place: Place }) {
  const view = viewOf(place.query);
  const pages = usePages(
    JSON.stringify(view),
    (after, signal) => deadLetterPage(filterOf(view, Date.now()), { after, signal }),
  );
  const total = useTotal(view);
  const { rows, hasMore } = pages;
  const { fault } = sinceField(view);
  return (
    <>
      <DeadLettersHead tab="list" />
      <div class="filters" role="search" aria-label="Filter">
        <FilterBox place={place} name="subscription" label="Subscription" />
        <FilterBox place={place} name="topic" label="Topic" />
        <FilterBox place={place} name="type" label="Type" />
        <FilterBox place={place} name="key" label="Key" />
        <FilterBox place={place} name="reason" label="Reason (* matches any text)" />
        {useGroupSupport()
          ? <FilterBox place={place} name="group" label="Cause, by its id" />
          : null}
        <FilterBox place={place} name="since" label="Since, as 1h" />
      </div>
      {fault === undefined ? null : <p class="fault">{fault}</p>}
      <div class="bar">
        <p class="quiet" aria-live="polite">
          {pages.isLoading ? "Loading…" : countWords({ loaded: rows.length, hasMore, total })}
        </p>
        <ListActs view={view} isEmpty={rows.length === 0} />
      </div>
      <FailureNotice failure={pages.failure} />
      {rows.length === 0
        ? pages.isLoading ? null : <Empty>No dead letters match.</Empty>
        : (
          <VirtualTable
            label="Dead letters"
            rows={rows}
            columns={columns}
            rowKey={({ subscription, topic, id }) => `${subscription} ${topic} ${id}`}
            total={total ?? (hasMore ? -1 : rows.length)}
            onNearEnd={pages.more}
          />
        )}
    </>
  );
}

/** Known without counting if nothing is filtered. */
function useTotal(view: DeadLetterView): number | undefined {
  const { data } = useLive<StatusReply>("/v1/status");
  return Object.keys(view).length === 0 ? data?.deadLetters : undefined;
}

function countWords(
  { loaded, hasMore, total }: { loaded: number; hasMore: boolean; total: number | undefined },
): string {
  if (!hasMore) return countText(loaded);
  return total === undefined
    ? `The newest ${countText(loaded)}; scroll for more`
    : `The newest ${countText(loaded)} of ${countText(total)}; scroll for more`;
}

const columns: readonly Column<DeadLetterInfo>[] = [
  { name: "age", title: "Died", width: "6.5rem", cell: ({ diedAt }) => <Ago at={diedAt} /> },
  {
    name: "reason",
    title: "Reason",
    width: "minmax(9rem, 4fr)",
    cell: ({ reason, subscription, id, topic }) => (
      <a href={hashOf(["dead-letters", "one", `${subscription}:${id}`], { topic })} title={reason}>
        {escapeText(reason)}
      </a>
    ),
  },
  {
    name: "subscription",
    title: "Subscription",
    width: "minmax(6rem, 1fr)",
    from: 560,
    cell: ({ subscription }) => escapeText(subscription),
  },
  {
    name: "event",
    title: "Event",
    width: "minmax(6rem, 1fr)",
    from: 760,
    cell: ({ topic, seq }) => `${escapeText(topic)} ${seq}`,
  },
  {
    name: "type",
    title: "Type",
    width: "minmax(6rem, 1fr)",
    from: 900,
    cell: ({ type }) => escapeText(type),
  },
  {
    name: "attempts",
    title: "Attempts",
    width: "4.8rem",
    from: 640,
    isNumber: true,
    cell: ({ attempts, editedAs }) => editedAs === undefined ? attempts : `${attempts} (edited)`,
  },
];

function ListActs({ view, isEmpty }: { view: DeadLetterView; isEmpty: boolean }) {
  return (
    <div class="acts">
      <ActButton
        label="Retry all of these…"
        disabled={isEmpty}
        dialog={(close) => <RetryManyDialog view={view} onClose={close} />}
      />
      <ActButton
        label="Remove all of these…"
        disabled={isEmpty}
        dialog={(close) => <RemoveManyDialog view={view} onClose={close} />}
      />
      <ExportButton view={view} isEmpty={isEmpty} />
      <ImportButton />
    </div>
  );
}

/** Saves a file as `evs dlq export` writes it. */
function ExportButton({ view, isEmpty }: { view: DeadLetterView; isEmpty: boolean }) {
  const [isBusy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      download(await exportDeadLetters(filterOf(view, Date.now())), "dead-letters.ndjson");
    } catch (error) {
      if (!(error instanceof RequestFailure)) throw error;
      notify(error.message, { tone: "bad" });
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" disabled={isBusy || isEmpty} onClick={() => void save()}>
      {isBusy ? "Exporting…" : "Export"}
    </button>
  );
}

/** Takes back what an export saved. */
function ImportButton() {
  const { readOnly } = useSession();
  if (readOnly) return null;
  return (
    <label class="button">
      Import…
      <input
        type="file"
        class="unseen"
        accept=".ndjson,application/x-ndjson"
        onChange={(event) => {
          const { files } = event.currentTarget;
          if (files?.[0] !== undefined) void undoRemoval(files[0]);
          event.currentTarget.value = "";
        }}
      />
    </label>
  );
}
