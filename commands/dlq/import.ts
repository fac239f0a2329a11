/** `evs dlq import`: imports exported dead letters and, with `--retry`, redelivers them. */
import type { DeadLetterImportReply } from "../../core/protocol/protocol.ts";
import { ExitCode, InvalidArgumentError } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
import { toFlag } from "./selection.ts";
import { batches, readInput } from "../cli/input.ts";
import { plural } from "../terminal/table.ts";

type ImportFlags = { retry: boolean; to?: string };

export const route = verb<ImportFlags, [string?]>({
  brief: "Import exported dead letters, and redeliver them",
  description:
    "Reads lines printed by evs dlq export, from a file or stdin. Without --retry they are added to the queue; existing entries are left alone. With --retry they are delivered to the subscription that failed: a changed event as a copy with its own id and metadata.originalEventId, whose original entry stays until the copy succeeds; an unchanged event as it was. Exits with 6 if some lines were rejected, with 4 if all were.",
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
  const sum: DeadLetterImportReply = { count: 0, mended: 0, unchanged: 0, added: 0, present: 0 };
  let refused = 0;
  for await (const batch of batches(await readInput(this, file))) {
    const reply = await client.importDeadLetters(batch.bytes, flags);
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

function inWords(sum: DeadLetterImportReply, { retry }: ImportFlags): string {
  const { mended, unchanged, added, present } = sum;
  const there = present === 0 ? "" : `; ${present} left alone, ${retry ? "on their way" : "there"}`;
  return retry
    ? `Sent again: ${plural(mended + unchanged, "dead letter")} (${mended} edited)${there}`
    : `Put into the queue: ${plural(added, "dead letter")}${there}`;
}
