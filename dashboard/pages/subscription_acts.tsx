/** The acts on a subscription and their confirmations: pause, resume, seek, retries now. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h, useState } from "../packages/preact.ts";
import type { SeekReply, SubscriptionInfo } from "../../core/protocol/protocol.ts";
import type { RetriesNowReply } from "../../core/protocol/in_flight.ts";
import { change, pathSegment } from "../data/api.ts";
import { usePreview } from "../data/preview.ts";
import { useSession } from "../data/session.ts";
import { ActDialog } from "../parts/act_dialog.tsx";
import { FailureNotice } from "../parts/failure.tsx";
import { Field } from "../parts/field.tsx";
import { PlainTable } from "../parts/plain_table.tsx";
import { evsCommand } from "../view/command_line.ts";
import { durationField } from "../view/duration_field.ts";
import { countNoun, countText, escapeText } from "../view/format.ts";
import { seekEffect } from "../view/seek_words.ts";

interface DialogProps {
  name: string;
  onClose: () => void;
}

function pathOf(name: string, act: string): string {
  return `/v1/subscriptions/${pathSegment(name)}/${act}`;
}

/** Pause, with a reason. */
export function PauseDialog({ name, onClose }: DialogProps) {
  const [reason, setReason] = useState("");
  const [span, setSpan] = useState("");
  const { evs } = useSession();
  const { value: forMs, fault } = durationField(span);
  return (
    <ActDialog
      title={`Pause ${escapeText(name)}`}
      verb="Pause"
      isReady={fault === undefined}
      command={evsCommand(evs, {
        words: ["subscription", "pause", name],
        flags: { reason, for: span.trim() },
      })}
      onClose={onClose}
      act={async () => {
        await change<SubscriptionInfo>(pathOf(name, "pause"), {
          method: "POST",
          json: { reason: reason === "" ? undefined : reason, forMs },
        });
        return { text: `${name} is paused.` };
      }}
    >
      <p>
        Nothing is delivered until it is resumed; nothing is lost. Consumers finish what they have.
      </p>
      <Field label="Reason" value={reason} onValue={setReason} autofocus />
      <Field
        label="For (empty: until it is resumed)"
        value={span}
        onValue={setSpan}
        placeholder="1h"
        fault={fault}
      />
    </ActDialog>
  );
}

/** Resume. */
export function ResumeDialog({ name, onClose }: DialogProps) {
  const { evs } = useSession();
  return (
    <ActDialog
      title={`Resume ${escapeText(name)}`}
      verb="Resume"
      command={evsCommand(evs, { words: ["subscription", "resume", name] })}
      onClose={onClose}
      act={async () => {
        await change(pathOf(name, "resume"), { method: "POST" });
        return { text: `${name} is resumed.` };
      }}
    >
      <p>Deliveries begin again where they stopped.</p>
    </ActDialog>
  );
}

const PLACES = [
  ["start", "start"],
  ["an hour back", "@-1h"],
  ["the last 100", "-100"],
  ["end", "end"],
] as const;

/** Seek: what it would do is shown before it is done. */
export function SeekDialog({ name, onClose }: DialogProps) {
  const [to, setTo] = useState("");
  const { evs } = useSession();
  const offset = to.trim();
  const preview = usePreview(
    offset === "" ? undefined : offset,
    async (signal) =>
      await change<SeekReply>(pathOf(name, "seek"), {
        method: "POST",
        json: { to: offset, dryRun: true },
        signal,
      }),
  );
  return (
    <ActDialog
      title={`Seek ${escapeText(name)}`}
      verb="Move it"
      danger
      isReady={preview.data !== undefined}
      command={offset === "" ? undefined : evsCommand(evs, {
        words: ["subscription", "seek", name, offset],
        flags: { yes: true },
      })}
      onClose={onClose}
      act={async () => {
        const reply = await change<SeekReply>(pathOf(name, "seek"), {
          method: "POST",
          json: { to: offset },
        });
        return { text: `${name} was moved: it ${seekEffect(reply)}.` };
      }}
    >
      <Field
        label="To"
        value={to}
        onValue={setTo}
        autofocus
        hint="start, end, a seq, -N (the last N), @-1h, @2026-11-29T10:00:00Z"
      />
      <div class="choices" role="group" aria-label="Places">
        {PLACES.map(([title, offset]) => (
          <button
            key={offset}
            type="button"
            class="small"
            onClick={() => setTo(offset)}
          >
            {title}
          </button>
        ))}
      </div>
      <FailureNotice failure={preview.failure} />
      <div aria-live="polite">
        {preview.data === undefined ? null : <SeekPreview reply={preview.data} />}
      </div>
    </ActDialog>
  );
}

function SeekPreview({ reply }: { reply: SeekReply }) {
  return (
    <>
      <p>
        This <strong>{seekEffect(reply)}</strong>.
      </p>
      <PlainTable
        label="What it would do"
        heads={["Topic", { title: "Next now", isNumber: true }, {
          title: "Next then",
          isNumber: true,
        }]}
      >
        {reply.topics.map(({ topic, from, to }) => (
          <tr key={topic}>
            <th scope="row">{escapeText(topic)}</th>
            <td class="number">{countText(from)}</td>
            <td class="number">{countText(to)}</td>
          </tr>
        ))}
      </PlainTable>
      {reply.missed?.map(({ topic, from, to, count }) => (
        <p key={topic} class="fault">
          {countNoun(count, "event")} of {escapeText(topic)} ({from} to {to}) are gone by retention.
        </p>
      ))}
    </>
  );
}

/** Retries now: all, or those of one event. */
export function RetriesNowDialog(
  { name, id, count, onClose }: DialogProps & { id?: string; count: number },
) {
  const { evs } = useSession();
  const ids = id === undefined ? undefined : [id];
  return (
    <ActDialog
      title={id === undefined ? "Retry all of them now" : "Retry it now"}
      verb="Retry now"
      command={evsCommand(evs, {
        words: ["subscription", "retries", name, ...(ids ?? [])],
        flags: { now: true },
      })}
      onClose={onClose}
      act={async () => {
        const reply = await change<RetriesNowReply>(pathOf(name, "retries/now"), {
          method: "POST",
          json: { ids },
        });
        return { text: `${countNoun(reply.count, "retry is", "retries are")} due now.` };
      }}
    >
      <p>
        {id === undefined
          ? `${countText(count)} of ${escapeText(name)} wait.`
          : `${escapeText(id)} waits for ${escapeText(name)}.`}{" "}
        They do not wait for the backoff any longer. Attempts count on.
      </p>
    </ActDialog>
  );
}
