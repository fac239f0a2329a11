/** Checks whether the data dir's disk is nearly full. */
import { formatBytes } from "../../base/units.ts";
import type { Check, Finding } from "./check.ts";

/** Less free space than this share is nearly full, unless it is still {@link PLENTY}. */
const SHARE = 0.1;
/** This much free space is enough on a disk of any size, bytes. */
const PLENTY = 10 * 1024 ** 3;

export const diskSpace: Check = {
  name: "room",
  async *look({ dataDir, room }): AsyncGenerator<Finding> {
    const { free, size } = await room();
    if (free >= size * SHARE || free >= PLENTY) return;
    yield {
      level: "warning",
      where: dataDir,
      what:
        `the disk is nearly full: ${formatBytes(free)} of ${formatBytes(size)} are free; what ` +
        "is stored stays, and publishing is refused where there is no room",
      hint:
        "evs topic list shows what is large; evs topic update TOPIC --retention 7d deletes the old events",
      details: { free, size },
    };
  },
};
