/** The spool: every file by its checksum, what waits, and what was refused. */
import type { SpoolFault } from "../../protocol/status.ts";
import { decodeSpooled } from "../../spool/spool_file.ts";
import {
  lookIntoSpool,
  readIfReadable,
  REFUSED_FOLDER,
  SPOOL_FOLDER,
} from "../../spool/spool_folder.ts";
import { shellQuote } from "../../base/shell_quote.ts";
import type { Check, Finding } from "./check.ts";

export const spool: Check = {
  name: "spool",
  *look({ dataDir, spool: folders = [`${dataDir}/${SPOOL_FOLDER}`], status }): Generator<Finding> {
    for (const folder of folders) {
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
  const { entries, faults } = lookIntoSpool(folder);
  const tell = (fault: SpoolFault) => odd(fault, where + fault.path.slice(folder.length));
  yield* faults.map(tell);
  for (const entry of entries) {
    const bytes = readIfReadable(`${folder}/${entry.name}`);
    // It was taken in meanwhile.
    if (bytes === undefined) continue;
    if (!(bytes instanceof Uint8Array)) {
      yield tell(bytes);
      continue;
    }
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

function odd({ path, what }: SpoolFault, where: string): Finding {
  return {
    level: "warning",
    where,
    what: `it ${what}: it is left alone, and nothing of it is taken in`,
    hint: `look at what it is (ls -l ${shellQuote(path)}), and move it away or make it readable`,
  };
}

function events(count: number): string {
  return count === 1 ? "1 event" : `${count} events`;
}
