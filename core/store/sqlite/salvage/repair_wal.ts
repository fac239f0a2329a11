/**
 * Checks a database's write-ahead log before SQLite opens it, and repairs what SQLite would drop
 * silently.
 */
import { ifThere } from "../../../base/if_there.ts";
import { type Clock, systemClock } from "../../../base/clock.ts";
import { keepCopy } from "../../quarantine.ts";
import { readWal, type WalReport } from "./wal_frames.ts";

/**
 * Describes what is wrong with a log; undefined if nothing is, or only a tail that a crash cut
 * short.
 */
export function walFault(bytes: Uint8Array): string | undefined {
  const report = readWal(bytes);
  if (report) return faultOf(report);
  return bytes.length >= 32 && bytes.some((byte) => byte !== 0)
    ? "its header is damaged beyond repair: what was not yet in the database is lost"
    : undefined;
}

function faultOf(report: WalReport): string | undefined {
  const { frames, readable, flipped, accepted, dropped } = report;
  if (readable >= frames && dropped === 0) return undefined;
  const parts = [];
  if (flipped.length > 0) {
    const places = flipped.map(({ byte, bit }) => `byte ${byte}, bit ${bit}`);
    parts.push(`flipped bits at ${places.join("; ")}`);
  }
  if (accepted.length > 0) {
    const which = accepted.length === 1 ? "frame" : "frames";
    parts.push(`${which} ${accepted.join(", ")} not as written`);
  }
  if (readable < frames) {
    parts.push(`SQLite would have dropped ${frames - readable} of ${frames} frames`);
  }
  if (dropped > 0) {
    parts.push(
      `frame ${frames} and ${dropped} commits behind it are lost (damaged, or never on the disk ` +
        "when the power went, where the durability is not always)",
    );
  }
  return parts.join("; ");
}

/**
 * Repairs the log of the database at `path` and keeps a copy in the quarantine. Call it before the
 * database is opened, and only if nobody else has it open.
 */
export function repairWal(
  path: string,
  { clock }: { clock: Clock } = { clock: systemClock },
): void {
  const log = `${path}-wal`;
  const bytes = ifThere(() => Deno.readFileSync(log));
  if (!bytes) return;
  const fault = walFault(bytes);
  if (fault === undefined) return;
  const report = readWal(bytes);
  const outcome = report === undefined || report.readable >= report.frames
    ? "nothing could be repaired"
    : report.accepted.length === 0
    ? "repaired, nothing is lost"
    : "repaired; events in a damaged page are named when they are read";
  keepCopy(log, { what: `${fault}; ${outcome}`, now: clock.now() });
  if (report && report.readable < report.frames) replace(log, report.repaired);
}

/** Writes in place: a crash in the middle leaves a partly repaired log, and the copy. */
function replace(path: string, bytes: Uint8Array): void {
  const file = Deno.openSync(path, { write: true });
  try {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    file.syncSync();
  } finally {
    file.close();
  }
}
