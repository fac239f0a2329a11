/**
 * Editing the payload of a dead letter: checked against the schema while it is typed, then sent
 * again as a copy.
 */
/** @jsx h */
import { h, useState } from "../packages/preact.ts";
import type { DeadLetterImportReply } from "../../core/protocol/protocol.ts";
import { parseJson } from "../../core/json/json.ts";
import { change, pathWith, RequestFailure } from "../data/api.ts";
import { usePreview } from "../data/preview.ts";
import { checkPayload, type PayloadVerdict, verdictWords } from "../data/schema_check.ts";
import { useSession } from "../data/session.ts";
import { ActDialog } from "../parts/act_dialog.tsx";
import { Field } from "../parts/field.tsx";
import { evsCommand } from "../view/command_line.ts";
import { entryWithPayload, type RawDeadLetter } from "../view/dead_letter_detail.ts";
import { compactJson, indentedJson } from "../view/json_text.ts";
import { nameOfEntry } from "./dead_letter_acts.tsx";

/** What is wrong with the text as JSON. */
function jsonFault(text: string): string | undefined {
  try {
    parseJson(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The confirmation is the editor. */
export function EditDialog(
  { entry, onClose, onDone }: { entry: RawDeadLetter; onClose: () => void; onDone: () => void },
) {
  const { evs } = useSession();
  const [text, setText] = useState(() => indentedJson(entry.event.payload, { isEscaped: false }));
  const fault = jsonFault(text);
  const payload = fault === undefined ? compactJson(text).trim() : undefined;
  const isChanged = payload !== compactJson(entry.event.payload).trim();
  const { type } = entry.event;
  const verdict = usePreview(
    payload,
    (signal) => checkPayload({ type, payload: payload!, signal }),
  );
  const name = nameOfEntry(entry);
  return (
    <ActDialog
      wide
      title="Edit and send again"
      verb="Send again, edited"
      isReady={payload !== undefined && isChanged && verdict.data?.valid !== false}
      command={evsCommand(evs, {
        words: ["dlq", "edit", name],
        flags: { topic: entry.detail.topic },
      })}
      onClose={onClose}
      act={async () => {
        await sendEdited(entry, payload!);
        onDone();
        return { text: `Sent again, edited: ${name}.` };
      }}
    >
      <Field
        label={`Payload of ${type}`}
        value={text}
        onValue={setText}
        rows={16}
        fault={fault}
        autofocus
      />
      <div aria-live="polite">
        {payload === undefined
          ? null
          : <Verdict verdict={verdict.data} failure={verdict.failure} />}
        {isChanged ? null : <p class="quiet">Nothing is changed yet.</p>}
      </div>
      <p class="quiet">
        A copy with its own id is delivered to the subscription that failed. The dead letter stays
        until the copy succeeds; the topic does not change.
      </p>
    </ActDialog>
  );
}

function Verdict(
  { verdict, failure }: {
    verdict: PayloadVerdict | undefined;
    failure: RequestFailure | undefined;
  },
) {
  if (failure !== undefined) {
    return <p class="quiet">The schema could not be asked: {failure.message}</p>;
  }
  if (verdict === undefined) return <p class="quiet">Checking…</p>;
  return <p class={verdict.valid ? "fine" : "fault"}>{verdictWords(verdict)}</p>;
}

/** Throws `RequestFailure` if it was not accepted. */
async function sendEdited(entry: RawDeadLetter, payload: string): Promise<void> {
  const path = pathWith("/v1/dead-letters/import", { retry: 1 });
  const reply = await change<DeadLetterImportReply>(path, {
    method: "POST",
    lines: `${entryWithPayload(entry, payload)}\n`,
  });
  const [refused] = reply.refused ?? [];
  if (refused !== undefined) throw new RequestFailure(refused);
  if (reply.present > 0) {
    throw new RequestFailure({
      code: "dead-letter/pending",
      message: "an edited copy of it is on its way already",
    });
  }
}
