/**
 * A process that adds dead letters to a FileDeadLetterQueue: `dead_letter_writer.ts DIR FIRST
 * COUNT`. For each it prints that it was stored, in the form that sync_trace.ts expects, or the
 * code with which it was refused.
 */
import { EvsError, FileDeadLetterQueue } from "../../mod.ts";

const [dir, first, count] = Deno.args;
const queue = new FileDeadLetterQueue(dir!, { onError: () => {} });
const encoder = new TextEncoder();

function say(text: string): void {
  Deno.stdout.writeSync(encoder.encode(`${text}\n`));
}

for (let n = Number(first); n < Number(first) + Number(count); n++) {
  const event = {
    id: `e${n}`,
    type: "x",
    topic: "t",
    timestamp: n,
    schemaVersion: "1.0",
    payload: `mark-${String(n).padStart(6, "0")}-`,
    metadata: {},
  };
  try {
    await queue.addEvent(event, new Error("down"), "s");
    say(JSON.stringify({ firstSeq: n, lastSeq: n }));
  } catch (error) {
    say(JSON.stringify({ refused: n, code: error instanceof EvsError ? error.code : `${error}` }));
  }
}
await queue.close();
