/** One cause of dead letters: its notes, its samples, and what was decided about it. */
/** @jsx h */
/** @jsxFrag Fragment */
import { type ComponentChildren, Fragment, h, useState } from "../packages/preact.ts";
import { change, pathSegment } from "../data/api.ts";
import { useLive } from "../data/live.ts";
import { useSession } from "../data/session.ts";
import { ActButton } from "../parts/act_button.tsx";
import { ActDialog } from "../parts/act_dialog.tsx";
import { Facts } from "../parts/facts.tsx";
import { Field } from "../parts/field.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Ago } from "../parts/time.tsx";
import { evsCommand, type Flags } from "../view/command_line.ts";
import { queryOfGroup, type ShownGroupDetail } from "../view/dead_letter_groups.ts";
import { countText, escapeLines, escapeText } from "../view/format.ts";
import { hashOf } from "../view/place.ts";
import { RemoveManyDialog, RetryManyDialog } from "./dead_letter_acts.tsx";
import { GroupState, Trend } from "./dead_letter_groups.tsx";
import { DeadLettersHead } from "./dead_letters_nav.tsx";

const PATH = "/v1/dead-letter-groups";

/** The page. */
export function DeadLetterGroupPage({ id }: { id: string }) {
  const live = useLive<ShownGroupDetail>(`${PATH}/${pathSegment(id)}`);
  return (
    <>
      <DeadLettersHead tab="" />
      <Loaded live={live}>
        {(group) => (
          <>
            <div class="bar">
              <h2 class="cause">{escapeText(group.reason)}</h2>
              <GroupState group={group} />
              <GroupActs id={id} group={group} />
            </div>
            <GroupFacts group={group} />
            <h3>Notes</h3>
            {group.notes.length === 0
              ? <Empty>Nobody has noted anything.</Empty>
              : (
                <ul class="notes">
                  {group.notes.map(({ at, by, text }) => (
                    <li key={`${at} ${text}`}>
                      <p class="lines">{escapeLines(text)}</p>
                      <p class="quiet">
                        {by === undefined ? "" : `${escapeText(by)}, `}
                        <Ago at={at} />
                      </p>
                    </li>
                  ))}
                </ul>
              )}
            <Samples group={group} />
          </>
        )}
      </Loaded>
    </>
  );
}

function GroupFacts({ group }: { group: ShownGroupDetail }) {
  return (
    <Facts
      facts={{
        "Now": (
          <a href={hashOf(["dead-letters", "list"], queryOfGroup(group))}>
            {countText(group.count)}
          </a>
        ),
        "Ever": group.total === undefined ? null : countText(group.total),
        "First": <Ago at={group.firstAt} />,
        "Last": <Ago at={group.lastAt} />,
        "Last 24 h": <Trend group={group} />,
        "Group": group.id,
      }}
    />
  );
}

function Samples({ group: { samples } }: { group: ShownGroupDetail }) {
  if (samples.length === 0) return null;
  return (
    <>
      <h3>Samples</h3>
      <ul class="plain-list">
        {samples.map(({ subscription, topic, id, seq, at, present }) => {
          const name = `${subscription}:${id}`;
          return (
            <li key={`${topic} ${name}`}>
              {present
                ? <a href={hashOf(["dead-letters", "one", name], { topic })}>{escapeText(name)}</a>
                : <span>{escapeText(name)}</span>}{" "}
              <span class="quiet">
                {escapeText(topic)} {seq}, <Ago at={at} />
                {present ? "" : ", no longer there"}
              </span>
            </li>
          );
        })}
      </ul>
    </>
  );
}

function GroupActs({ id, group }: { id: string; group: ShownGroupDetail }) {
  const { state } = group;
  const view = queryOfGroup(group);
  return (
    <div class="acts">
      <ActButton label="Note…" dialog={(close) => <NoteDialog id={id} onClose={close} />} />
      {state === "open"
        ? (
          <>
            <ActButton
              label="Dismiss…"
              dialog={(close) => <DismissDialog id={id} onClose={close} />}
            />
            <ActButton
              label="Resolve…"
              dialog={(close) => (
                <DecideDialog
                  id={id}
                  act="resolve"
                  title="Resolve this cause"
                  words="It opens again by itself with its next new dead letter."
                  onClose={close}
                />
              )}
            />
          </>
        )
        : (
          <ActButton
            label="Reopen…"
            dialog={(close) => (
              <DecideDialog
                id={id}
                act="reopen"
                title="Reopen this cause"
                words="It counts for alerts again."
                onClose={close}
              />
            )}
          />
        )}
      <ActButton
        label="Retry…"
        disabled={group.count === 0}
        dialog={(close) => <RetryManyDialog view={view} onClose={close} />}
      />
      <ActButton
        label="Remove…"
        disabled={group.count === 0}
        dialog={(close) => <RemoveManyDialog view={view} onClose={close} />}
      />
    </div>
  );
}

interface GroupDialogProps {
  id: string;
  onClose: () => void;
}

async function decide(id: string, act: string, json: Record<string, unknown>): Promise<void> {
  await change(`${PATH}/${pathSegment(id)}/${act}`, { method: "POST", json });
}

function NoteDialog({ id, onClose }: GroupDialogProps) {
  const [text, setText] = useState("");
  const { evs } = useSession();
  return (
    <ActDialog
      title="Note something about this cause"
      verb="Note"
      isReady={text.trim() !== ""}
      command={text.trim() === ""
        ? undefined
        : evsCommand(evs, { words: ["dlq", "note", id, text.trim()] })}
      onClose={onClose}
      act={async () => {
        await decide(id, "notes", { text: text.trim() });
        return { text: "Noted." };
      }}
    >
      <Field label="Note" value={text} onValue={setText} rows={4} autofocus />
    </ActDialog>
  );
}

function DismissDialog({ id, onClose }: GroupDialogProps) {
  const [moreText, setMore] = useState("");
  const more = moreText.trim() === "" ? undefined : Number(moreText);
  const isWrong = more !== undefined && !(Number.isInteger(more) && more > 0);
  return (
    <DecideDialog
      id={id}
      act="dismiss"
      title="Dismiss this cause"
      words="It does not count for alerts any more. Its dead letters stay."
      json={{ more }}
      flags={{ more }}
      isReady={!isWrong}
      onClose={onClose}
    >
      <Field
        label="Open again after so many more (empty: never)"
        value={moreText}
        onValue={setMore}
        placeholder="100"
        fault={isWrong ? "a whole number from 1" : undefined}
        autofocus
      />
    </DecideDialog>
  );
}

function DecideDialog(
  { id, act, title, words, json = {}, flags, isReady, onClose, children }: GroupDialogProps & {
    act: "dismiss" | "resolve" | "reopen";
    title: string;
    words: string;
    json?: Record<string, unknown>;
    flags?: Flags;
    isReady?: boolean;
    children?: ComponentChildren;
  },
) {
  const { evs } = useSession();
  const verb = act[0]!.toUpperCase() + act.slice(1);
  return (
    <ActDialog
      title={title}
      verb={verb}
      isReady={isReady}
      command={evsCommand(evs, { words: ["dlq", act, id], flags })}
      onClose={onClose}
      act={async () => {
        await decide(id, act, json);
        return { text: `${DONE[act]}: ${id}.` };
      }}
    >
      <p>{words}</p>
      {children}
    </ActDialog>
  );
}

const DONE = { dismiss: "Dismissed", resolve: "Resolved", reopen: "Open again" };
