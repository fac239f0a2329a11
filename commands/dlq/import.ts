/** `evs dlq import`: imports exported dead letters and, with `--retry`, redelivers them. */
import type { DeadLetterImportReply } from "../../core/protocol/protocol.ts";
import { newBatchTag } from "../../core/event/batch_tag.ts";
import { countLines } from "../../core/client/feed.ts";
import { EvsError, ExitCode, InvalidArgumentError } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
import { toFlag } from "./selection.ts";
import { batches, type InputBatch, readInput } from "../cli/input.ts";
import { ReconnectingClient } from "../publisher/reconnect.ts";
import { plural } from "../terminal/table.ts";

const LF = 0x0a;

type ImportFlags = { retry: boolean; to?: string };

export const route = verb<ImportFlags, [string?]>({
  brief: "Import exported dead letters, and redeliver them",
  description:
    "Reads lines printed by evs dlq export, from a file or stdin. Without --retry they are added to the queue; existing entries are left alone. With --retry they are delivered to the subscription that failed: a changed event as a copy with its own id and metadata.originalEventId, whose original entry stays until the copy succeeds; an unchanged event as it was. If the daemon is restarted meanwhile, the import waits for it and continues; nothing is done twice. Exits with 6 if some lines were rejected, with 4 if all were.",
  examples: [
    ["dlq import dead.ndjson", "back into the queue"],
    [
      "dlq export | jq -c '.event.payload.total |= tonumber' | evs dlq import --retry",
      "fix all payloads in one pipe, and redeliver them",
    ],
  ],
  parameters: {
    flags: {
      retry: { kind: "boolean", brief: "Redeliver them at once", default: false },
      to: toFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: plainText,
        brief: "A file, or - for stdin",
        placeholder: "FILE",
        optional: true,
      }],
    },
  },
  run: importDeadLetters,
});

async function importDeadLetters(
  this: EvsContext,
  flags: ImportFlags,
  file = "-",
): Promise<void> {
  if (flags.to !== undefined && !flags.retry) {
    throw new InvalidArgumentError("--to goes with --retry", {
      code: "argument/usage",
      hint: "evs dlq import --retry --to NAME",
    });
  }
  const client = await this.client();
  const reconnecting = new ReconnectingClient({
    clock: this.clock,
    say: (words) => this.say(words),
    limitMs: this.reconnectMs,
  });
  const sum: DeadLetterImportReply = { count: 0, mended: 0, unchanged: 0, added: 0, present: 0 };
  let refused = 0;
  for (const batch of batches(await readInput(this, file))) {
    // Sent again if it gets no answer: by the tag the daemon knows what of it is done.
    const tag = newBatchTag((bytes) => crypto.getRandomValues(bytes));
    const reply = await reconnecting.ask(
      () => client.importDeadLetters(batch.bytes, { ...flags, batch: tag }),
      (error) => stoppedAt(error, { batch, sum, retry: flags.retry }),
    );
    for (const name of ["count", "mended", "unchanged", "added", "present"] as const) {
      sum[name] += reply[name];
    }
    for (const { line, message } of reply.refused ?? []) {
      refused++;
      this.say(`evs: line ${line + batch.firstLine - 1}: ${message}`);
    }
    if (reply.refusedMore !== undefined) {
      refused += reply.refusedMore;
      this.say(`evs: ${plural(reply.refusedMore, "more line")} refused`);
    }
  }
  if (refused > 0) this.exitCode = sum.count === 0 ? ExitCode.Refused : ExitCode.Partly;
  if (this.forPeople) this.print(`${inWords(sum, flags)}.`);
  else this.printJson({ ...sum, refused });
}

/** The error when the daemon stays away: what is done, what is unknown, and what to type. */
function stoppedAt(
  error: EvsError,
  { batch, sum, retry }: { batch: InputBatch; sum: DeadLetterImportReply; retry: boolean },
): EvsError {
  const { firstLine } = batch;
  const lines = countLines(batch.bytes) + (batch.bytes.at(-1) === LF ? 0 : 1);
  const { code, status, exit, details } = error;
  const before = plural(sum.count, "dead letter");
  return new EvsError(
    { code, status, exit },
    `${error.message}: ${before} of the lines before line ${firstLine} ${
      sum.count === 1 ? "is" : "are"
    } done; of lines ${firstLine} to ${firstLine + lines - 1} it is unknown`,
    {
      hint: retry
        ? `evs dlq list shows which of those are still there; the rest: tail -n +${
          firstLine + lines
        } FILE | evs dlq import --retry`
        : "the same import again: what is in the queue is left alone",
      details: { ...details, count: sum.count, line: firstLine, unknown: lines },
      cause: error,
    },
  );
}

function inWords(sum: DeadLetterImportReply, { retry }: ImportFlags): string {
  const { mended, unchanged, added, present } = sum;
  const there = present === 0 ? "" : `; ${present} left alone, ${retry ? "on their way" : "there"}`;
  return retry
    ? `Sent again: ${plural(mended + unchanged, "dead letter")} (${mended} edited)${there}`
    : `Put into the queue: ${plural(added, "dead letter")}${there}`;
}
