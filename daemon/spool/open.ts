/** The spool of a daemon: where it is, who may write into it, and what takes it in. */
import { DataDirError, InvalidArgumentError } from "../../core/base/errors.ts";
import { systemClock } from "../../core/base/clock.ts";
import { lstat } from "../../core/base/if_there.ts";
import { osReason } from "../../core/base/os_error.ts";
import { SPOOL_FOLDER } from "../../core/spool/spool_folder.ts";
import type { SpoolStatus } from "../../core/protocol/status.ts";
import type { Services } from "../services.ts";
import { giveToGroup, type SocketGroup } from "../socket_group.ts";
import { SpoolIntake } from "./intake.ts";

const OTHERS_WRITE = 0o002;

/** The folders of a daemon's spool together. */
export interface Spool {
  /** Something may have been spooled. */
  look(): void;
  /** Somebody has connected. */
  visited(): void;
  start(): Promise<unknown>;
  /** Those in which something is, or is odd. */
  counts(): SpoolStatus[];
  /** Does something with the files of each folder while nothing of it is being taken in. */
  between<T>(work: (folder: string) => T): Promise<T[]>;
  stop(): Promise<unknown>;
}

/** The daemon's spool, before its start. Not that of the config alone: it may have been named late. */
export function openSpool(services: Services): Spool {
  const { config: { spoolFolder: named }, dataDir, socketGroup } = services;
  if (named !== "") prepareSpoolFolder(named, socketGroup);
  const own = `${dataDir}/${SPOOL_FOLDER}`;
  // Only the daemon's own user writes into the data dir, and can tell it by a signal.
  const intakes = [
    intake(services, { folder: own, isShared: false }),
    ...named === "" || named === own ? [] : [intake(services, { folder: named, isShared: true })],
  ];
  const spool: Spool = {
    look: () => intakes.forEach((one) => one.look()),
    visited: () => intakes.forEach((one) => one.visited()),
    start: () => Promise.all(intakes.map((one) => one.start())),
    counts: () =>
      intakes.map((one) => one.counts())
        .filter(({ waiting, refused, faults = [] }) => waiting + refused + faults.length > 0),
    between: (work) => Promise.all(intakes.map((one) => one.between(work))),
    stop: () => Promise.all(intakes.map((one) => one.stop())),
  };
  services.spool = spool;
  return spool;
}

function intake(
  services: Services,
  place: { folder: string; isShared: boolean },
): SpoolIntake {
  const { broker, config, disk, ids, log, maxEventBytes } = services;
  return new SpoolIntake({
    ...place,
    broker,
    maxEventBytes,
    dedupWindow: config.dedupWindow,
    clock: systemClock,
    nextId: (now) => ids.next(now),
    admitted: (work) => disk.admitted(work),
    unexpected: (error, context) => services.unexpected(error, context),
    log: {
      info: (text, facts) => log.logger.info(text, facts),
      warning: (text, facts) => log.logger.warning(text, facts),
    },
  });
}

/** A folder outside the data dir, in which the group of the socket may write. */
function prepareSpoolFolder(folder: string, group: SocketGroup | undefined): void {
  try {
    if (!lstat(folder)) Deno.mkdirSync(folder, { mode: 0o700 });
  } catch (cause) {
    const owner = group === undefined ? "" : ` -g ${group.name}`;
    throw new InvalidArgumentError(
      `the folder of the spool, ${folder}, is not there and cannot be made: ${osReason(cause)}`,
      {
        code: "config/unusable-spool",
        hint: `as root: install -d -o $USER${owner} -m 2770 ${folder}, with the daemon's user`,
        cause,
      },
    );
  }
  const info = lstat(folder)!;
  const fault = info.isSymlink
    ? "is a symbolic link"
    : !info.isDirectory
    ? "is not a folder"
    : ((info.mode ?? 0) & OTHERS_WRITE) !== 0
    ? "can be written by everybody"
    : undefined;
  if (fault !== undefined) {
    throw new DataDirError("datadir/unsafe", `${folder} ${fault}; nothing in it was touched`, {
      hint: "spool.folder in the config names another one",
    });
  }
  // Whoever else made it has decided who may write.
  if (info.uid !== Deno.uid()) return;
  if (group === undefined) return Deno.chmodSync(folder, 0o700);
  giveToGroup(folder, group);
  // What is written there is the group's, too.
  Deno.chmodSync(folder, 0o2770);
}
