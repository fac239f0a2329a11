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
import { ifThere, lstat } from "../../core/base/if_there.ts";
import type { EventBroker } from "../../core/broker/event_broker.ts";
import { assertStored } from "../../core/broker/expectation.ts";
import {
  decodeSpooled,
  encodeSpooled,
  keepLines,
  type SpooledFile,
} from "../../core/spool/spool_file.ts";
import {
  countSpool,
  listSpool,
  lockSpool,
  readSpooled,
  REFUSED_FOLDER,
  removeUnfinished,
  type SpoolCounts,
  type SpoolEntry,
  spoolName,
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
  /** Files that cannot be read; they are told once. */
  readonly #unreadable = new Set<string>();
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
  counts(): SpoolCounts & { folder: string } {
    const { folder } = this.#context;
    return { folder, ...countSpool(folder) };
  }

  /** Runs `work` while nothing is taken in and nobody else changes the files: it may. */
  async between<T>(work: (folder: string) => T): Promise<T> {
    const { folder, clock } = this.#context;
    for (;;) {
      while (this.#running !== undefined) await this.#running;
      using _lock = lstat(folder) && await lockSpool(folder, clock);
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
      unexpected(error, "the spool");
    }
  }

  async #run(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    let isDone = true;
    try {
      while (this.#again && !this.#isStopped) {
        this.#again = false;
        isDone = await this.#pass();
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
    const entries = listSpool(folder).filter(({ name }) => !this.#unreadable.has(name));
    /** Topics of which something has to wait, and so all that is behind it. */
    const held = new Set<string>();
    let [files, events, refused] = [0, 0, 0];
    for (let at = 0; at < entries.length && !this.#isStopped;) {
      const [window, next] = await this.#read(entries, at);
      at = next;
      for (const taken of await this.#store(window, held)) {
        files++;
        events += taken.events.length;
        refused += taken.refused.size;
        this.#finish(taken);
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
    const { folder, log } = this.#context;
    try {
      return readSpooled(`${folder}/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      this.#unreadable.add(name);
      log.warning("a file of the spool cannot be read by the daemon's user: it is left there", {
        file: `${folder}/${name}`,
        error,
      });
      return undefined;
    }
  }

  /** A damaged file: nobody knows what its events were. */
  #putAside({ name }: SpoolEntry): void {
    const { folder, log } = this.#context;
    const refusedFolder = this.#refusedFolder();
    Deno.renameSync(`${folder}/${name}`, `${refusedFolder}/${name}`);
    syncSpool(refusedFolder);
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
            await this.#append(topic, group);
          } catch (error) {
            if (!isFinal(error)) {
              held.add(topic);
              this.#context.unexpected(error, `taking in the spool for ${topic}`);
              return;
            }
            for (const taken of group) refuseAll(taken, error);
          }
          done.push(...group);
        },
      ),
    );
    return done;
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
    assertStored(topic, await admitted(() => broker.append({ topic, events })));
  }

  /** Its events are durable: it can go. What was refused is durable elsewhere before that. */
  #finish({ entry, file, refused, reasons }: Taken): void {
    const { folder, log } = this.#context;
    if (refused.size > 0) {
      const { request } = file;
      const { body, kept } = keepLines(file, (line) => refused.has(line));
      const bytes = encodeSpooled({ request: { ...request, refused: reasons }, body });
      const name = spoolName({ ...entry, events: kept, bytes: bytes.length });
      writeSpooled({ folder: this.#refusedFolder(), name }, bytes, { mode: 0o600 });
      const { code, message } = reasons[0]!;
      log.warning("spooled events were refused: {count} for {topic}: evs spool list", {
        count: refused.size,
        topic: request.topic,
        code,
        message,
      });
    }
    ifThere(() => Deno.removeSync(`${folder}/${entry.name}`));
  }

  #refusedFolder(): string {
    const path = `${this.#context.folder}/${REFUSED_FOLDER}`;
    try {
      Deno.mkdirSync(path, { mode: 0o700 });
      syncSpool(this.#context.folder);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    return path;
  }
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
