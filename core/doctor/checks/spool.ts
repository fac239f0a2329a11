/** The spool: every file by its checksum, what waits, and what was refused. */
import { ifThere } from "../../base/if_there.ts";
import { decodeSpooled } from "../../spool/spool_file.ts";
import { listSpool, readSpooled, REFUSED_FOLDER, SPOOL_FOLDER } from "../../spool/spool_folder.ts";
import type { Check, Finding } from "./check.ts";

export const spool: Check = {
  name: "spool",
  *look({ dataDir, spool: folders = [`${dataDir}/${SPOOL_FOLDER}`], status }): Generator<Finding> {
    for (const folder of folders) {
      if (!ifThere(() => Deno.statSync(folder))) continue;
      const where = folder.startsWith(`${dataDir}/`) ? folder.slice(dataDir.length + 1) : folder;
      const waiting = yield* verify(folder, where);
      const refused = yield* verify(`${folder}/${REFUSED_FOLDER}`, `${where}/${REFUSED_FOLDER}`);
      if (refused > 0) {
        yield {
          level: "warning",
          where,
          what: `${events(refused)} refused when taken in`,
          hint: "evs spool list says why; evs spool retry and evs spool remove decide",
        };
      }
      if (waiting === 0) continue;
      yield {
        level: "ok",
        where,
        what: status === undefined
          ? `${events(waiting)} for the next daemon`
          : `${events(waiting)} about to be taken in`,
      };
    }
  },
};

/** Reads each file; returns the number of intact events. */
function* verify(folder: string, where: string): Generator<Finding, number> {
  let intact = 0;
  for (const entry of listSpool(folder)) {
    const bytes = readSpooled(`${folder}/${entry.name}`);
    // It was taken in meanwhile.
    if (bytes === undefined) continue;
    if (decodeSpooled(bytes) !== undefined) {
      intact += entry.events;
      continue;
    }
    yield {
      level: "damage",
      where: `${where}/${entry.name}`,
      what: `it does not match its checksum: it had ${events(entry.events)}, which are not stored`,
      hint: `look at what is left of it, then: evs spool remove ${entry.name}`,
      details: { ...entry },
    };
  }
  return intact;
}

function events(count: number): string {
  return count === 1 ? "1 event" : `${count} events`;
}
