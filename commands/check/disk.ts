/** `evs check disk`: is there enough space for more events? */
import { parseBytes } from "../../core/base/units.ts";
import { CannotStoreError } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { percentFree, words } from "./measures.ts";
import { assertLimits, levelOf, runCheck, wrongUsage } from "./report.ts";

/** A percentage of the disk, or bytes. */
type Room = { percent: number } | { bytes: number };
type DiskFlags = { warn: Room; crit: Room };

export const route = verb<DiskFlags, []>({
  brief: "Check the free space on the disk of the data dir",
  description:
    "Checks the free space on the file system of the data dir, with or without a daemon. Prints one line and exits like a Nagios plug-in: 0 OK, 1 WARNING if no more than --warn is free, 2 CRITICAL if no more than --crit is free, 3 UNKNOWN. Limits are percentages (10%) or sizes (5GiB), both of the same kind.",
  examples: [["check disk --warn 20% --crit 5%", "for a monitoring system"]],
  parameters: {
    flags: {
      warn: {
        kind: "parsed",
        parse: parseRoom,
        brief: "WARNING at or below this",
        placeholder: "ROOM",
      },
      crit: {
        kind: "parsed",
        parse: parseRoom,
        brief: "CRITICAL at or below this",
        placeholder: "ROOM",
      },
    },
  },
  needsDaemon: false,
  async run(this: EvsContext, { warn, crit }: DiskFlags): Promise<void> {
    const inPercent = "percent" in warn;
    if (inPercent !== "percent" in crit) {
      throw wrongUsage("--warn and --crit are both shares (10%) or both sizes (5GiB)");
    }
    const limits = { warn: amount(warn), crit: amount(crit) };
    assertLimits(limits, "low");
    await runCheck(this, async () => {
      const { free, size } = await roomAt(this.paths.dataDir);
      const percent = percentFree({ free, size });
      const inBytes = { warn: limits.warn, crit: limits.crit };
      return {
        level: levelOf(inPercent ? percent : free, limits, "low"),
        words: words.disk({ folder: this.paths.dataDir, free, size }),
        measures: inPercent
          ? { free: { value: percent, unit: "%", limits } }
          : { free: { value: free, unit: "B", limits: inBytes } },
      };
    });
  },
});

/** Reads `10%` or `5GiB`. */
export function parseRoom(text: string): Room {
  const percent = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text)?.[1];
  return percent === undefined
    ? { bytes: parseBytes(text, "the room") }
    : { percent: Number(percent) };
}

function amount(room: Room): number {
  return "percent" in room ? room.percent : room.bytes;
}

/** The system's call; a simulated world (tests/world) has a disk of its own. */
export const roomCall = {
  async statfs(folder: string): Promise<{ bavail: number; blocks: number; bsize: number }> {
    return await (await import("node:fs/promises")).statfs(folder);
  },
};

/** The free space on the disk of a folder, and its size, bytes. */
export async function roomAt(folder: string): Promise<{ free: number; size: number }> {
  try {
    const { bavail, blocks, bsize } = await roomCall.statfs(folder);
    return { free: bavail * bsize, size: blocks * bsize };
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    throw new CannotStoreError(`cannot look at ${folder}: ${code}`, { cause });
  }
}
