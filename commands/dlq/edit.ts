/** `evs dlq edit`: edits one dead letter's payload, checks it, and redelivers it. */
import type { Client } from "../../core/client/client.ts";
import {
  EventRefusedError,
  EvsError,
  ExitCode,
  InvalidArgumentError,
} from "../../core/base/errors.ts";
import { parseJson } from "../../core/json/json.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { typedAgain } from "../../core/base/shell_quote.ts";
import { escapeText } from "../terminal/escape.ts";
import { argumentsFor, fetchDetails, type RawDetail, withPayload } from "./details.ts";
import { idArgument, toFlag, topicFlag } from "./selection.ts";

type EditFlags = { to?: string; topic?: string };

/** How many dead letters of the same name an error lists. */
const NAMED = 10;

export const route = verb<EditFlags, [string]>({
  brief: "Edit a dead letter and redeliver it",
  description:
    "Opens the payload in $VISUAL or $EDITOR. The saved payload is checked, also against the schema of its type, and delivered to the subscription that failed, as a copy with its own id and metadata.originalEventId; the topic does not change. The dead letter stays, linked, until the copy succeeds. If the payload is rejected, the editor opens again with the reason at the top; save it unchanged, or empty, to give up.",
  examples: [
    ["dlq edit mailer:o-17", "fix one event and redeliver it"],
    ["dlq edit o-17 --to mailer2", "deliver it to another subscription"],
  ],
  parameters: {
    flags: {
      ...topicFlag,
      to: toFlag,
    },
    positional: idArgument,
  },
  run: editDeadLetter,
});

async function editDeadLetter(this: EvsContext, flags: EditFlags, id: string): Promise<void> {
  const editor = this.env("VISUAL") || this.env("EDITOR");
  if (!editor) {
    throw new InvalidArgumentError("no editor is named by $VISUAL or $EDITOR", {
      code: "argument/no-editor",
      hint: `EDITOR=vi ${typedAgain(this.argv)}`,
    });
  }
  const client = await this.client();
  const raw = theOne(await fetchDetails(client, { id, topic: flags.topic }), id);
  const file = await Deno.makeTempFile({ prefix: "evs-edit-", suffix: ".json" });
  let kept = false;
  try {
    const before = forEditing(raw.payload);
    let shown = before;
    for (;;) {
      await Deno.writeTextFile(file, shown);
      await runEditor(editor, file);
      const saved = await Deno.readTextFile(file);
      const payload = withoutReason(saved).trim();
      if (payload === "" || saved === shown) {
        this.say("nothing was changed; nothing was sent");
        this.exitCode = ExitCode.NotFound;
        return;
      }
      const refusal = await send(client, { raw, payload, to: flags.to });
      if (refusal === undefined) break;
      if (!this.stdin.isTerminal()) {
        kept = true;
        throw new EventRefusedError(
          "event/invalid-payload",
          `${refusal.message}; nothing was sent, your text is in ${file}`,
          { details: { code: refusal.code, file } },
        );
      }
      shown = `${reasonLines(refusal.message)}${payload}\n`;
    }
    const name = `${raw.detail.subscription}:${raw.detail.id}`;
    if (this.forPeople) this.print(`Sent again, edited: ${escapeText(name)}.`);
    else this.printJson({ mended: name, to: flags.to });
  } finally {
    if (!kept) await Deno.remove(file);
  }
}

function theOne(details: RawDetail[], id: string): RawDetail {
  if (details.length === 1) return details[0]!;
  const told = details.slice(0, NAMED);
  const more = details.length > told.length ? ", …" : "";
  const names = told.map(({ detail: { subscription, id, topic } }) =>
    `${subscription}:${id} of topic ${topic}`
  );
  throw new InvalidArgumentError(
    `${details.length} dead letters are meant by ${id}: ${names.join(", ")}${more}; which one?`,
    {
      code: "argument/usage",
      hint: told.map(({ detail }) => `evs dlq edit ${argumentsFor(detail, { among: details })}`)
        .join(", or ") + more,
    },
  );
}

/** Sends the edited event; returns an error if it was rejected. */
async function send(
  client: Client,
  { raw, payload, to }: { raw: RawDetail; payload: string; to: string | undefined },
): Promise<{ code: string; message: string } | undefined> {
  try {
    parseJson(payload);
  } catch (error) {
    if (error instanceof EvsError) return { code: error.code, message: error.message };
    throw error;
  }
  const reply = await client.importDeadLetters(withPayload(raw, compact(payload)), {
    retry: true,
    to,
  });
  const [refused] = reply.refused ?? [];
  if (refused) return refused;
  if (reply.present > 0) {
    return { code: "dead-letter/pending", message: "an edited copy of it is on its way already" };
  }
  return undefined;
}

/** Indented if that does not change the value: numbers and names stay as they are. */
export function forEditing(payload: string): string {
  const value = JSON.parse(payload);
  const faithful = JSON.stringify(value) === payload;
  return `${faithful ? JSON.stringify(value, null, 2) : payload}\n`;
}

/** Valid JSON without the space between its tokens; nothing else changes. */
export function compact(text: string): string {
  return text.replace(/("[^"\\]*(?:\\.[^"\\]*)*")|\s+/g, (_space, string) => string ?? "");
}

/** The reason as comment lines, which are not sent. */
export function reasonLines(reason: string): string {
  return `${reason}\nEdit it below, or leave it as it is to give up.`
    .split("\n").map((line) => `# ${escapeText(line)}\n`).join("");
}

/** The saved text without the reason at the top. */
export function withoutReason(saved: string): string {
  return saved.replace(/^(?:#[^\n]*(?:\n|$))+/, "");
}

async function runEditor(editor: string, file: string): Promise<void> {
  // Through the shell, as git does, because the editor may include flags.
  const { code } = await new Deno.Command("sh", {
    args: ["-c", `${editor} "$1"`, "evs", file],
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  if (code === 0) return;
  throw new InvalidArgumentError(
    `the editor (${editor}) ended with exit code ${code}; nothing was sent`,
    { code: "argument/editor-failed", hint: "check $VISUAL and $EDITOR" },
  );
}
