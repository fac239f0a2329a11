/**
 * The `%skew` file of a store: how far the times in its indexes differ from the wall clock
 * (core/store/age_clock.ts) after the clock was stepped. It does not exist until that happens. A
 * corrupt one is ignored.
 */
import { isDiskFull } from "../../base/errors.ts";
import { crc32 } from "../../base/checksum.ts";
import type { Clock } from "../../base/clock.ts";
import { AgeClock } from "../age_clock.ts";
import { type Disk, readWhole, replaceFile } from "./disk.ts";
import { asFileStoreError } from "./faults.ts";
import { SKEW_FILE } from "./layout.ts";

/** The age clock of the store in `dir`, whose latest time is `newest`. */
export function openAgeClock(
  disk: Disk,
  dir: string,
  { clock, newest }: { clock: Clock; newest: number },
): AgeClock {
  return new AgeClock(clock, {
    skew: readSkew(disk, dir),
    newest,
    save(skew) {
      const text = String(skew);
      const bytes = encoder.encode(`${sumOf(text)} ${text}\n`);
      try {
        replaceFile(disk, { folder: dir, name: SKEW_FILE }, bytes);
        return true;
      } catch (error) {
        // Looking at ages, as retention does to make room, must work on a full disk.
        if (isDiskFull(asFileStoreError(error))) return false;
        throw error;
      }
    },
  });
}

const encoder = new TextEncoder();

/** The stored skew; 0 if there is none. */
export function readSkew(disk: Disk, dir: string): number {
  const text = new TextDecoder().decode(
    readWhole(disk, `${dir}/${SKEW_FILE}`) ?? new Uint8Array(0),
  );
  const [, sum, skew] = /^([0-9a-f]{8}) (-?\d{1,15})\n$/.exec(text) ?? [];
  return skew !== undefined && sum === sumOf(skew) ? Number(skew) : 0;
}

function sumOf(text: string): string {
  return crc32(encoder.encode(text)).toString(16).padStart(8, "0");
}
