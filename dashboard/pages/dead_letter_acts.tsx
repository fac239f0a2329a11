/** The acts on dead letters and their confirmations: retry and remove, one or many; undo. */
/** @jsx h */
import { h, useState } from "../packages/preact.ts";
import type { DeadLetterActionReply } from "../../core/protocol/protocol.ts";
import { change, RequestFailure } from "../data/api.ts";
import { importDeadLetters } from "../data/dead_letters.ts";
import { startRemoval, startRetry } from "../data/jobs.ts";
import { reloadAll } from "../data/live.ts";
import { notify } from "../data/notices.ts";
import { usePreview } from "../data/preview.ts";
import { useSession } from "../data/session.ts";
import { ActDialog } from "../parts/act_dialog.tsx";
import { FailureNotice } from "../parts/failure.tsx";
import { Field } from "../parts/field.tsx";
import { evsCommand } from "../view/command_line.ts";
import type { RawDeadLetter } from "../view/dead_letter_detail.ts";
import { type DeadLetterView, filterOf, flagsOf, selectionOf } from "../view/dead_letter_filter.ts";
import { rateField } from "../view/duration_field.ts";
import { countNoun, countText, escapeText } from "../view/format.ts";

interface ManyProps {
  view: DeadLetterView;
  onClose: () => void;
}

/** How many an act would be about. */
function useCount(view: DeadLetterView) {
  return usePreview(
    JSON.stringify(view),
    async (signal) =>
      await change<DeadLetterActionReply>("/v1/dead-letters/retry", {
        method: "POST",
        json: { ...selectionOf(view, Date.now()), dryRun: true },
        signal,
      }),
  );
}

function CountWords({ preview }: { preview: ReturnType<typeof useCount> }) {
  const { data, failure } = preview;
  if (failure !== undefined) return <FailureNotice failure={failure} />;
  if (data === undefined) return <p class="quiet">Counting…</p>;
  const parts = Object.entries(data.bySubscription);
  return (
    <p>
      <strong>{countNoun(data.count, "dead letter")}</strong>
      {parts.length === 0
        ? ""
        : ` (${
          parts.slice(0, 5).map(([name, count]) => `${escapeText(name)} ${countText(count)}`).join(
            ", ",
          )
        }${parts.length > 5 ? ", …" : ""})`}
    </p>
  );
}

/** Redelivers those that a filter matches, at a rate if one is given. */
export function RetryManyDialog({ view, onClose }: ManyProps) {
  const [rateText, setRate] = useState("");
  const [to, setTo] = useState("");
  const { evs } = useSession();
  const preview = useCount(view);
  const { value: rate, fault } = rateField(rateText);
  return (
    <ActDialog
      title="Retry dead letters"
      verb="Retry"
      isReady={fault === undefined && (preview.data?.count ?? 0) > 0}
      command={evsCommand(evs, {
        words: ["dlq", "retry"],
        flags: { ...flagsOf(view, { all: true }), to: to.trim(), rate },
      })}
      onClose={onClose}
      act={async () => {
        const job = await startRetry(selectionOf(view, Date.now()), {
          rate,
          to: to.trim() === "" ? undefined : to.trim(),
        });
        return { text: `${job.job} sends ${countNoun(job.total, "dead letter")} again.` };
      }}
    >
      <CountWords preview={preview} />
      <p>
        They are delivered again with fresh retries; their history is kept. Those that fail come
        back.
      </p>
      <Field
        label="At most (empty: at once)"
        value={rateText}
        onValue={setRate}
        placeholder="10/s"
        fault={fault}
        autofocus
      />
      <Field
        label="To another subscription (empty: the one that failed)"
        value={to}
        onValue={setTo}
      />
    </ActDialog>
  );
}

/** Removes those that a filter matches; what they were is kept for the way back. */
export function RemoveManyDialog({ view, onClose }: ManyProps) {
  const { evs } = useSession();
  const preview = useCount(view);
  return (
    <ActDialog
      title="Remove dead letters"
      verb="Remove"
      danger
      isReady={(preview.data?.count ?? 0) > 0}
      command={evsCommand(evs, {
        words: ["dlq", "purge"],
        flags: { ...flagsOf(view, { all: false }), yes: true },
      })}
      onClose={onClose}
      act={async () => {
        const now = Date.now();
        const job = await startRemoval(filterOf(view, now), now);
        return { text: `${job.job} removes ${countNoun(job.total, "dead letter")}.` };
      }}
    >
      <CountWords preview={preview} />
      <p>
        They are exported into this page first: Undo puts them back, as long as the page is open.
        Export saves them for longer.
      </p>
    </ActDialog>
  );
}

/** Puts back what was removed. */
export async function undoRemoval(exported: Blob): Promise<void> {
  try {
    const { added, present, refused = [] } = await importDeadLetters(exported);
    const parts = [
      `${countNoun(added, "dead letter is", "dead letters are")} back`,
      ...(present > 0 ? [`${countText(present)} were there`] : []),
      ...(refused.length > 0
        ? [`${countText(refused.length)} refused: ${refused[0]!.message}`]
        : []),
    ];
    notify(`${parts.join(", ")}.`, { tone: refused.length > 0 ? "bad" : "good" });
  } catch (error) {
    if (!(error instanceof RequestFailure)) throw error;
    notify(error.message, {
      tone: "bad",
      action: { label: "Try again", run: () => void undoRemoval(exported) },
    });
  }
  reloadAll();
}

/** `SUBSCRIPTION:ID`; the topic tells it from one of the same id. */
export function nameOfEntry({ detail: { subscription, id } }: RawDeadLetter): string {
  return `${subscription}:${id}`;
}

interface OneProps {
  entry: RawDeadLetter;
  onClose: () => void;
  onDone?: () => void;
}

/** Redelivers one. */
export function RetryOneDialog({ entry, onClose, onDone }: OneProps) {
  const { evs } = useSession();
  const name = nameOfEntry(entry);
  const { topic } = entry.detail;
  return (
    <ActDialog
      title="Retry this dead letter"
      verb="Retry"
      command={evsCommand(evs, { words: ["dlq", "retry", name], flags: { topic } })}
      onClose={onClose}
      act={async () => {
        await change<DeadLetterActionReply>("/v1/dead-letters/retry", {
          method: "POST",
          json: { ids: [name], topic },
        });
        onDone?.();
        return { text: `Sent again: ${name}.` };
      }}
    >
      <p>
        It is delivered to {escapeText(entry.detail.subscription)}{" "}
        again, with fresh retries; its history is kept. If it fails it comes back.
      </p>
    </ActDialog>
  );
}

/** Removes one; Undo imports it again. */
export function RemoveOneDialog({ entry, onClose, onDone }: OneProps) {
  const { evs } = useSession();
  const name = nameOfEntry(entry);
  const { topic } = entry.detail;
  return (
    <ActDialog
      title="Remove this dead letter"
      verb="Remove"
      danger
      command={evsCommand(evs, { words: ["dlq", "remove", name], flags: { topic, yes: true } })}
      onClose={onClose}
      act={async () => {
        await change<DeadLetterActionReply>("/v1/dead-letters/remove", {
          method: "POST",
          json: { ids: [name], topic },
        });
        onDone?.();
        const exported = new Blob([`${entry.line}\n`]);
        return {
          text: `Removed: ${name}.`,
          action: { label: "Undo", run: () => void undoRemoval(exported) },
        };
      }}
    >
      <p>The event stays in its topic; its attempts are forgotten, unless you undo it.</p>
    </ActDialog>
  );
}
