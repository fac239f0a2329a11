/**
 * Takes in what publishers spooled while no daemon answered (docs/adr/0047-spool.md): at the start,
 * and whenever something tells it to look. In order, and each event once: ids were fixed before the
 * first attempt, and a file goes only after its events are durable.
 *
 * What a topic does not accept goes to `refused`, with the reasons. What cannot be stored now, as on
 * a full disk, stays and is tried again; so does what is behind it for the same topic.
 */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import type { Clock } from "../../core/base/clock.ts";
import { exists, ifThere, lstat } from "../../core/base/if_there.ts";
import { osReason } from "../../core/base/os_error.ts";
import { attempt } from "../../core/base/thrown.ts";
import type { EventBroker } from "../../core/broker/event_broker.ts";
import { assertStored } from "../../core/broker/expectation.ts";
import type { SpoolFault, SpoolStatus } from "../../core/protocol/status.ts";
import {
  decodeSpooled,
  encodeSpooled,
  keepLines,
  type SpooledFile,
} from "../../core/spool/spool_file.ts";
import {
  lockSpool,
  lookIntoSpool,
  readIfReadable,
  REFUSED_FOLDER,
  removeUnfinished,
  type SpoolEntry,
  spoolName,
  SpoolSummer,
  syncSpool,
  tryLockSpool,
  writeSpooled,
} from "../../core/spool/spool_folder.ts";
import {
  type DecodeContext,
  type DecodedFile,
  decodeFile,
  publishedSince,
  refuse,
} from "./decode_file.ts";

/** What is read before it is stored: files, and bytes. */
const [MOST_FILES, MOST_BYTES] = [256, 1024 * 1024];
/** The pauses after a failure, ms. */
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [1000, 30_000];
/** So many odd things are told. */
const MOST_FAULTS = 10;
/** How long a start waits for it: what takes longer goes on beside everything else, ms. */
const START_MS = 1000;
/** However many connect, it looks this often, ms. */
const VISITS_MS = 900;

/** What the intake works with. */
export interface IntakeContext extends DecodeContext {
  folder: string;
  /** Others write into the folder, who cannot send signals to this process. */
  isShared: boolean;
  broker: EventBroker;
  dedupWindow: number;
  clock: Clock;
  /** Stores when the disk has room. */
  admitted<T>(work: () => Promise<T>): Promise<T>;
  /** An error that is not the publisher's. */
  unexpected(error: unknown, context: string): void;
  log: {
    info(text: string, facts: Record<string, unknown>): void;
    warning(text: string, facts: Record<string, unknown>): void;
  };
}

/** A file on its way. */
interface Taken extends DecodedFile {
  entry: SpoolEntry;
  file: SpooledFile;
}

/** Takes in the spool of one daemon. */
export class SpoolIntake {
  readonly #context: IntakeContext;
  readonly #waiting: SpoolSummer;
  readonly #refused: SpoolSummer;
  /** What the last pass found odd, and this one, by its path: each is told once. */
  #faults = new Map<string, string>();
  #found = new Map<string, string>();
  #running: Promise<void> | undefined;
  /** Something came while a pass was running. */
  #again = false;
  #cancelRetry: (() => void) | undefined;
  #cancelVisit: (() => void) | undefined;
  /** When it looked last, monotonic ms. */
  #lookedAt = -Infinity;
  #pauseMs = 0;
  #isStopped = false;

  constructor(context: IntakeContext) {
    this.#context = context;
    const { folder, clock } = context;
    this.#waiting = new SpoolSummer(folder, clock);
    this.#refused = new SpoolSummer(`${folder}/${REFUSED_FOLDER}`, clock);
  }

  /** Takes in what is there. Resolves when it is done, and before that if it takes long. */
  async start(): Promise<void> {
    this.#tidy();
    this.look();
    let cancel = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#context.clock.setTimer(resolve, START_MS);
    });
    await Promise.race([this.#running, late]);
    cancel();
  }

  /** Something may have been spooled. */
  look(): void {
    if (this.#isStopped) return;
    this.#lookedAt = this.#context.clock.monotonic();
    this.#again = true;
    this.#running ??= this.#run();
  }

  /**
   * Somebody has connected, as publishers do who have spooled something for the daemon of others:
   * it looks, at most once a second.
   */
  visited(): void {
    const { clock, isShared } = this.#context;
    if (!isShared || this.#isStopped || this.#cancelVisit !== undefined) return;
    const left = this.#lookedAt + VISITS_MS - clock.monotonic();
    if (left <= 0) return this.look();
    this.#cancelVisit = clock.setTimer(() => {
      this.#cancelVisit = undefined;
      this.look();
    }, left);
  }

  /** What is there now. */
  counts(): SpoolStatus {
    const { folder } = this.#context;
    const [waiting, refused] = [this.#waiting.sum(), this.#refused.sum()];
    // Of the last pass: they may be gone since.
    const found = new Map(this.#faults.entries().filter(([path]) => isStillThere(path)));
    for (const { path, what } of [...waiting.faults, ...refused.faults]) found.set(path, what);
    const faults = Array.from(found, ([path, what]) => ({ path, what })).slice(0, MOST_FAULTS);
    return {
      folder,
      waiting: waiting.events,
      refused: refused.events,
      ...(faults.length === 0 ? {} : { faults }),
    };
  }

  /** Runs `work` while nothing is taken in and nobody else changes the files: it may. */
  async between<T>(work: (folder: string) => T): Promise<T> {
    const { folder, clock } = this.#context;
    for (;;) {
      while (this.#running !== undefined) await this.#running;
      // What is no folder, or cannot be read, has nothing that could be taken in.
      const isThere = lstat(folder) && faultsIn(folder).every(({ path }) => path !== folder);
      using _lock = isThere ? await lockSpool(folder, clock) : undefined;
      if (this.#running === undefined) return work(folder);
    }
  }

  /** Ends it; resolves when nothing is being stored. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRetry?.();
    this.#cancelVisit?.();
    await this.#running;
  }

  /** A publisher may have been killed while it wrote. */
  #tidy(): void {
    const { folder, unexpected } = this.#context;
    try {
      using lock = ifThere(() => tryLockSpool(folder));
      if (lock === undefined) return;
      removeUnfinished(folder);
      removeUnfinished(`${folder}/${REFUSED_FOLDER}`);
    } catch (error) {
      // What is odd there is told when it is taken in.
      if (faultsIn(folder).length === 0) unexpected(error, "the spool");
    }
  }

  async #run(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    let isDone = true;
    try {
      while (this.#again && !this.#isStopped) {
        this.#again = false;
        this.#found = new Map();
        isDone = await this.#pass();
        this.#faults = this.#found;
      }
    } catch (error) {
      isDone = false;
      this.#context.unexpected(error, "taking in the spool");
    }
    this.#running = undefined;
    if (isDone) this.#pauseMs = 0;
    else this.#lookLater();
    // It may have come between the last pass and here.
    if (this.#again) this.look();
  }

  #lookLater(): void {
    if (this.#isStopped) return;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2));
    this.#cancelRetry = this.#context.clock.setTimer(() => this.look(), this.#pauseMs);
  }

  /** Takes in every file once; false if some have to be tried again. */
  async #pass(): Promise<boolean> {
    const { folder, log } = this.#context;
    const { entries } = lookIntoSpool(folder);
    for (const fault of faultsIn(folder).slice(0, MOST_FAULTS)) this.#tell(fault);
    /** Topics of which something has to wait, and so all that is behind it. */
    const held = new Set<string>();
    let [files, events, refused] = [0, 0, 0];
    for (let at = 0; at < entries.length && !this.#isStopped;) {
      const [window, next] = await this.#read(entries, at);
      at = next;
      for (const taken of await this.#store(window, held)) {
        if (!this.#finish(taken, held)) continue;
        files++;
        events += taken.events.length;
        refused += taken.refused.size;
      }
      syncSpool(folder);
    }
    if (files > 0) log.info("taken in from the spool", { files, events, refused });
    return held.size === 0;
  }

  /** The next files, decoded, and where to go on. */
  async #read(
    entries: readonly SpoolEntry[],
    from: number,
  ): Promise<[Taken[], next: number]> {
    const taken: Taken[] = [];
    let at = from;
    for (let bytes = 0; at < entries.length && at - from < MOST_FILES && bytes < MOST_BYTES; at++) {
      const entry = entries[at]!;
      const content = this.#readFile(entry);
      if (content === undefined) continue;
      bytes += content.length;
      const file = decodeSpooled(content);
      if (file === undefined) this.#putAside(entry);
      else taken.push({ entry, file, ...await decodeFile(file, this.#context) });
    }
    return [taken, at];
  }

  #readFile({ name }: SpoolEntry): Uint8Array | undefined {
    const found = readIfReadable(`${this.#context.folder}/${name}`);
    if (found === undefined || found instanceof Uint8Array) return found;
    this.#tell(found);
    return undefined;
  }

  #tell({ path, what }: SpoolFault): void {
    if (this.#found.size >= MOST_FAULTS && !this.#found.has(path)) return;
    const isKnown = this.#faults.get(path) === what || this.#found.get(path) === what;
    this.#found.set(path, what);
    if (isKnown) return;
    this.#context.log.warning("the spool: {file} {what}: it is left alone", { file: path, what });
  }

  /** Others may write there: what they put in the way is told in words, and tried again. */
  #cannot(error: unknown, { path, context }: { path: string; context: string }): void {
    if (IN_THE_WAY.some((kind) => error instanceof kind)) {
      this.#tell({ path, what: `cannot be changed: ${osReason(error)}` });
    } else if (!(error instanceof OddFolderError)) this.#context.unexpected(error, context);
  }

  /** A damaged file: nobody knows what its events were. */
  #putAside({ name }: SpoolEntry): void {
    const { folder, log } = this.#context;
    const path = `${folder}/${name}`;
    let refusedFolder: string;
    try {
      refusedFolder = this.#refusedFolder();
      Deno.renameSync(path, `${refusedFolder}/${name}`);
      syncSpool(refusedFolder);
    } catch (error) {
      this.#tell({ path, what: "does not match its checksum, and cannot be put aside" });
      return this.#cannot(error, { path, context: "putting aside a damaged file of the spool" });
    }
    log.warning("damage: a file of the spool does not match its checksum: it was put aside", {
      file: `${refusedFolder}/${name}`,
    });
  }

  /** Stores what was read, a topic's files together; returns the files that are done. */
  async #store(window: readonly Taken[], held: Set<string>): Promise<Taken[]> {
    const done: Taken[] = [];
    await Promise.all(
      Map.groupBy(window, ({ file }) => file.request.topic).entries().map(
        async ([topic, group]) => {
          if (held.has(topic)) return;
          try {
            await this.#storeOrRefuse(topic, group);
          } catch (error) {
            held.add(topic);
            if (error instanceof OddFolderError) return;
            return this.#context.unexpected(error, `taking in the spool for ${topic}`);
          }
          done.push(...group);
        },
      ),
    );
    return done;
  }

  /** Rejects if the files have to stay as they are. */
  async #storeOrRefuse(topic: string, group: readonly Taken[]): Promise<void> {
    const hasRefused = () => group.some(({ refused }) => refused.size > 0);
    // Before anything is stored: else it would be stored at each attempt.
    if (hasRefused()) this.#refusedFolder();
    try {
      await this.#append(topic, group);
    } catch (error) {
      // What the lines were checked by has changed: the next pass refuses those that it has to.
      if (!isFinal(error) || this.#isOvertaken(topic, group)) throw error;
      for (const taken of group) refuseAll(taken, error);
      if (hasRefused()) this.#refusedFolder();
    }
  }

  #isOvertaken(topic: string, [first]: readonly Taken[]): boolean {
    const now = this.#context.broker.checkedUnder(topic);
    const under = first?.under;
    return now !== undefined && (now.schemas !== under?.schemas || now.topic !== under?.topic);
  }

  async #append(topic: string, group: readonly Taken[]): Promise<void> {
    const { broker, admitted, clock, dedupWindow } = this.#context;
    const before = clock.now() - dedupWindow / 2;
    // Stored, and not acknowledged: the store may have forgotten the ids of files this old.
    const old = group.filter(({ file }) => file.request.at <= before);
    const known = await publishedSince(topic, {
      broker,
      age: clock.now() - Math.min(...old.map(({ file }) => file.request.at)) + dedupWindow,
      ids: old.flatMap(({ events }) => events.map(({ id }) => id)),
    });
    const events = group.flatMap((taken) => taken.events).filter(({ id }) => !known.has(id));
    if (events.length === 0) return;
    // That of the first one is the oldest.
    const under = group[0]?.under;
    const request = { topic, events, ...(under ? { under: { ...under } } : {}) };
    assertStored(topic, await admitted(() => broker.append(request)));
  }

  /**
   * Its events are durable: it can go. What was refused is durable elsewhere before that. False if
   * it has to stay.
   */
  #finish(taken: Taken, held: Set<string>): boolean {
    const path = `${this.#context.folder}/${taken.entry.name}`;
    try {
      this.#remove(taken);
      return true;
    } catch (error) {
      held.add(taken.file.request.topic);
      this.#cannot(error, { path, context: "removing what was taken in from the spool" });
      return false;
    }
  }

  #remove({ entry, file, refused, reasons }: Taken): void {
    const { folder, log } = this.#context;
    if (refused.size > 0) {
      const { request } = file;
      const { body, kept } = keepLines(file, (line) => refused.has(line));
      const bytes = encodeSpooled({ request: { ...request, refused: reasons }, body });
      const name = spoolName({ ...entry, events: kept, bytes: bytes.length });
      writeSpooled({ folder: this.#refusedFolder(), name }, bytes, { mode: 0o600 });
      const { code, message: reason } = reasons[0]!;
      log.warning("spooled events were refused: {count} for {topic}: evs spool list", {
        count: refused.size,
        topic: request.topic,
        code,
        reason,
      });
    }
    ifThere(() => Deno.removeSync(`${folder}/${entry.name}`));
  }

  /** Throws `OddFolderError`, once that is told, if something else has its place. */
  #refusedFolder(): string {
    const path = `${this.#context.folder}/${REFUSED_FOLDER}`;
    try {
      Deno.mkdirSync(path, { mode: 0o700 });
      syncSpool(this.#context.folder);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      const fault = lookIntoSpool(path).faults.find((one) => one.path === path);
      if (fault === undefined) return path;
      this.#tell(fault);
      throw new OddFolderError(`${fault.path} ${fault.what}`);
    }
    return path;
  }
}

/** What becomes of changing a file whose place others have changed. */
const { PermissionDenied, NotADirectory, IsADirectory } = Deno.errors;
const IN_THE_WAY = [PermissionDenied, NotADirectory, IsADirectory];

/** Nothing can be put aside as long as something odd is in the place of the folder for that. */
class OddFolderError extends Error {}

function isStillThere(path: string): boolean {
  return attempt(() => exists(path)) ?? true;
}

/** What is odd in a spool, and in the folder for what was refused. */
function faultsIn(folder: string): SpoolFault[] {
  return [folder, `${folder}/${REFUSED_FOLDER}`].flatMap((one) => lookIntoSpool(one).faults);
}

/** The exit codes of what is the same when it is tried again: about the event, or its topic. */
const FINAL: readonly number[] = [
  ExitCode.NotFound,
  ExitCode.Usage,
  ExitCode.Conflict,
  ExitCode.Refused,
];

function isFinal(error: unknown): error is EvsError {
  return error instanceof EvsError && FINAL.includes(error.exit);
}

/** Nothing of a file can be stored, each line for this reason. */
function refuseAll(taken: Taken, error: EvsError): void {
  keepLines(taken.file, (line) => {
    if (!taken.refused.has(line)) refuse(taken, line, error);
    return false;
  });
  taken.events = [];
}
