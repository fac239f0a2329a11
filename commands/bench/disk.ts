/** The control of a benchmark: how fast the disk of the data dir syncs a small write. */
import type { Clock } from "../../core/base/clock.ts";
import { osReason } from "../../core/base/os_error.ts";

/** At most this many writes, and at most this long, ms. */
const MOST_SYNCS = 200;
const LONGEST_MS = 3000;
/** A page, the least that a database writes. */
const BLOCK = new Uint8Array(4096);

/** The time of each `fdatasync` after a write of 4 KiB, ms; or why it could not be measured. */
export async function syncTimes(
  folder: string,
  { clock, stopped }: { clock: Clock; stopped: () => boolean },
): Promise<number[] | { reason: string }> {
  let file: Deno.FsFile;
  try {
    const path = `${folder}/bench-${crypto.randomUUID()}`;
    file = await Deno.open(path, { createNew: true, write: true, mode: 0o600 });
    // Its name goes at once, so that nothing is left behind, however this ends.
    await Deno.remove(path);
  } catch (error) {
    return { reason: osReason(error) };
  }
  using output = file;
  const times: number[] = [];
  const began = clock.monotonic();
  while (times.length < MOST_SYNCS && clock.monotonic() - began < LONGEST_MS && !stopped()) {
    await output.write(BLOCK);
    const before = clock.monotonic();
    await output.syncData();
    times.push(clock.monotonic() - before);
  }
  return times;
}
