/**
 * The file `history` of a data dir: telemetry, so nothing of it is synced, and what does not match
 * its checksum is left out (layout.ts has the layout, docs/adr/0061-history.md the reasons).
 *
 * The row of the daemon is written last: a row that it does not have is not there. The file is
 * opened each time, so that one that was removed is made again.
 */
import { ifThere } from "../base/if_there.ts";
import {
  type BlockKind,
  blockOffset,
  type ColumnName,
  COLUMNS,
  decodeCell,
  decodeHead,
  decodeName,
  encodeHead,
  encodeName,
  encodeRow,
  type FileHead,
  HEAD_SIZE,
  MINUTES,
  MOST_KEPT,
  NAME_SIZE,
  newHead,
  type Ring,
  ringOffset,
  ROWS,
  SHAPES,
  type Stamp,
  stampedValues,
  unstamped,
  type Values,
  WINDOW_MS,
} from "./layout.ts";
import { readAt, readRing, writeAt } from "./rings.ts";
import { joinCells, joinStamps, remainder } from "./points.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The two kinds that have names. */
export type NamedKind = "topics" | "subscriptions";
const NAMED: readonly NamedKind[] = ["topics", "subscriptions"];

/** What was measured at one time. */
export interface Sample {
  stamp: Omit<Stamp, "through">;
  daemon: Values;
  /** By name. What is not there any more loses its column. */
  topics: ReadonlyMap<string, Values>;
  subscriptions: ReadonlyMap<string, Values>;
}

/** A row that is there. */
interface RowPlace {
  ring: Ring;
  number: number;
  stamp: Stamp;
  /** The values of the daemon. */
  values: Values;
}

/** Where the numbers of a name are. */
interface Column {
  block: number;
  column: number;
  since: number;
}

/** Rows in the order in which they were taken, with the cells of what was asked for. */
export interface HistoryRows {
  stamps: Stamp[];
  daemon: Values[];
  /** For each name a cell in each row; undefined where it is not known. */
  cells: (Values | undefined)[][];
}

/** Rows are joined at the latest when there are so many of them. */
const MOST_JOINED = MINUTES / 3;

/** Reads and writes the file. Errors of the system are thrown as they are. */
export class HistoryFile {
  readonly #path: string;
  readonly #onDamage: (what: string) => void;
  #head: FileHead | undefined;
  #columns: Record<NamedKind, Map<string, Column>> = noColumns();
  /** The rows of both rings, oldest first. */
  #rows: Record<Ring, RowPlace[]> = { minutes: [], windows: [] };
  #lastWindow = 0;
  #isNewer = false;

  /** `onDamage` is told what does not match its checksum, or is no history. */
  constructor(path: string, { onDamage }: { onDamage(what: string): void }) {
    this.#path = path;
    this.#onDamage = onDamage;
  }

  /** True if a later version has written the file: this one leaves it alone. */
  get isNewer(): boolean {
    return this.#isNewer;
  }

  /** Adds a row. */
  append(sample: Sample): void {
    using file = this.#open() ?? this.#create();
    if (this.#isNewer) return;
    this.#nameColumns(file, sample);
    const { minutes } = this.#rows;
    const pending = this.#pending();
    const last = pending.at(-1);
    if (
      last && (pending.length >= MOST_JOINED || windowOf(last.stamp) !== windowOf(sample.stamp))
    ) {
      this.#joinMinutes(file, pending, windowOf(sample.stamp) - windowOf(last.stamp) > 1);
    }
    const number = (minutes.at(-1)?.number ?? 0) + 1;
    const stamp = { ...sample.stamp, through: number };
    const valuesOf = (kind: NamedKind, name: string) => sample[kind].get(name);
    this.#write(file, { ring: "minutes", number, stamp, values: sample.daemon }, valuesOf);
  }

  /** Which of these have a history, or will have one with the next row. */
  select(kind: NamedKind, names: readonly string[]): Set<string> {
    using _file = this.#open();
    const columns = this.#columns[kind];
    const chosen = new Set(names.filter((name) => columns.has(name)));
    for (const name of names) {
      if (chosen.size >= MOST_KEPT) break;
      chosen.add(name);
    }
    return chosen;
  }

  /** The rows from one of them on, and what they say about these names. */
  read(
    names: readonly { kind: NamedKind; name: string }[],
    { first }: { first(stamps: readonly Stamp[]): number },
  ): HistoryRows {
    using file = this.#open();
    const all = this.#allRows();
    const rows = all.slice(Math.max(0, first(all.map(({ stamp }) => stamp))));
    return {
      stamps: rows.map(({ stamp }) => stamp),
      daemon: rows.map(({ values }) => values),
      cells: this.#cellsOf(file, rows, names),
    };
  }

  /** Opens the file, and learns what is in it if that is another one; undefined: there is none. */
  #open(): Deno.FsFile | undefined {
    const file = ifThere(() => Deno.openSync(this.#path, { read: true, write: true }));
    if (file === undefined) {
      this.#forget();
      return undefined;
    }
    try {
      const bytes = readAt(file, 0, HEAD_SIZE);
      const head = bytes.length === 0 ? "empty" : decodeHead(bytes);
      this.#isNewer = head === "newer";
      if (head === "newer") {
        this.#forget();
        return file;
      }
      if (typeof head !== "string") {
        if (!this.#knows(head)) this.#load(file, head);
        return file;
      }
      if (head === "damaged") this.#onDamage("its first bytes do not match their checksum");
      this.#begin(file);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #create(): Deno.FsFile {
    const file = Deno.openSync(this.#path, {
      read: true,
      write: true,
      createNew: true,
      mode: 0o600,
    });
    try {
      this.#begin(file);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Makes an empty history of it. */
  #begin(file: Deno.FsFile): void {
    file.truncateSync(0);
    const head = newHead();
    this.#forget();
    file.truncateSync(blockOffset(head.blocks, head.blocks.length));
    writeAt(file, encodeHead(head), 0);
    this.#head = head;
  }

  #forget(): void {
    this.#head = undefined;
    this.#columns = noColumns();
    this.#rows = { minutes: [], windows: [] };
    this.#lastWindow = 0;
  }

  #knows({ id, blocks }: FileHead): boolean {
    const known = this.#head;
    return known !== undefined && known.blocks.length === blocks.length &&
      known.id.every((byte, i) => byte === id[i]);
  }

  #load(file: Deno.FsFile, head: FileHead): void {
    const { blocks } = head;
    this.#forget();
    let damaged = 0;
    for (const ring of ["minutes", "windows"] as const) {
      const found = readRing(file, { blocks, block: 0, ring });
      damaged += found.damaged;
      this.#rows[ring] = found.rows.map(({ number, bytes }) => ({
        ring,
        number,
        ...unstamped(decodeCell(SHAPES.daemon, bytes, 0)),
      }));
    }
    this.#lastWindow = this.#rows.windows.at(-1)?.number ?? 0;
    for (const [block, kind] of blocks.entries()) {
      if (kind !== "daemon") damaged += this.#loadNames(file, { blocks, block, kind });
    }
    const end = blockOffset(blocks, blocks.length);
    const missing = end - file.statSync().size;
    if (missing > 0) {
      this.#onDamage(`its last ${missing} bytes are missing`);
      file.truncateSync(end);
    }
    if (damaged > 0) this.#onDamage(`${damaged} entries do not match their checksums`);
    this.#head = head;
  }

  #loadNames(
    file: Deno.FsFile,
    { blocks, block, kind }: { blocks: readonly BlockKind[]; block: number; kind: NamedKind },
  ): number {
    let damaged = 0;
    const bytes = readAt(file, blockOffset(blocks, block), SHAPES[kind].namesSize);
    for (let column = 0; (column + 1) * NAME_SIZE <= bytes.length; column++) {
      const entry = decodeName(bytes.subarray(column * NAME_SIZE, (column + 1) * NAME_SIZE));
      if (entry === "damaged") damaged++;
      else if (entry) this.#columns[kind].set(entry.name, { block, column, since: entry.since });
    }
    return damaged;
  }

  /** Frees the columns of what is gone, and gives one to what is new, as long as there are some. */
  #nameColumns(file: Deno.FsFile, sample: Sample): void {
    const since = (this.#rows.minutes.at(-1)?.number ?? 0) + 1;
    for (const kind of NAMED) {
      const columns = this.#columns[kind];
      for (const [name, place] of columns) {
        if (sample[kind].has(name)) continue;
        this.#writeName(file, place, undefined);
        columns.delete(name);
      }
      if (columns.size >= Math.min(MOST_KEPT, sample[kind].size)) continue;
      const free = this.#freeColumns(file, kind);
      for (const name of sample[kind].keys()) {
        if (columns.has(name)) continue;
        if (columns.size >= MOST_KEPT) break;
        const place = { ...free.next().value!, since };
        this.#writeName(file, place, { name, since });
        columns.set(name, place);
      }
    }
  }

  /** Free columns without end: adds blocks. */
  *#freeColumns(
    file: Deno.FsFile,
    kind: NamedKind,
  ): Generator<Pick<Column, "block" | "column">, never> {
    const used = new Set(
      Array.from(this.#columns[kind].values(), ({ block, column }) => block * COLUMNS + column),
    );
    for (let block = 0;; block++) {
      const { blocks } = this.#head!;
      if (block === blocks.length) this.#addBlock(file, kind);
      if (this.#head!.blocks[block] !== kind) continue;
      for (let column = 0; column < COLUMNS; column++) {
        if (!used.has(block * COLUMNS + column)) yield { block, column };
      }
    }
  }

  /** The head is written last: until then the block is not there. */
  #addBlock(file: Deno.FsFile, kind: NamedKind): void {
    const { id, blocks } = this.#head!;
    const head = { id, blocks: [...blocks, kind] };
    file.truncateSync(blockOffset(blocks, blocks.length));
    file.truncateSync(blockOffset(head.blocks, head.blocks.length));
    writeAt(file, encodeHead(head), 0);
    this.#head = head;
  }

  #writeName(
    file: Deno.FsFile,
    { block, column }: Pick<Column, "block" | "column">,
    name: ColumnName | undefined,
  ): void {
    const at = blockOffset(this.#head!.blocks, block) + column * NAME_SIZE;
    writeAt(file, encodeName(name), at);
  }

  /** Rows of minutes that are in no row of ten minutes yet. */
  #pending(): RowPlace[] {
    const through = this.#rows.windows.at(-1)?.stamp.through ?? 0;
    return this.#rows.minutes.filter(({ number }) => number > through);
  }

  /**
   * Writes a row of ten minutes. If nothing happened in the next ten, what was there at the end is a
   * row of its own, because it stays.
   */
  #joinMinutes(file: Deno.FsFile, rows: readonly RowPlace[], stays: boolean): void {
    const last = rows.at(-1)!;
    const { blocks } = this.#head!;
    const cells = new Map<number, Map<number, Bytes>>();
    const minutesOf = (block: number) => {
      let found = cells.get(block);
      if (found === undefined) {
        const range = [rows[0]!.number, last.number] as const;
        const ring = readRing(file, { blocks, block, ring: "minutes", range });
        found = new Map(ring.rows.map(({ number, bytes }) => [number, bytes]));
        cells.set(block, found);
      }
      return found;
    };
    const cellsOf = (kind: NamedKind, name: string) => {
      const { block, column, since } = this.#columns[kind].get(name)!;
      const there = minutesOf(block);
      return rows.map(({ number }) => {
        const bytes = number < since ? undefined : there.get(number);
        return bytes && knownCell(decodeCell(SHAPES[kind], bytes, column));
      });
    };
    const daemon = SHAPES.daemon.fields.slice(4);
    const stamp = joinStamps(rows.map((row) => row.stamp), last.number);
    this.#write(file, {
      ring: "windows",
      number: ++this.#lastWindow,
      stamp,
      values: joinCells(daemon, rows.map(({ values }) => values))!,
    }, (kind, name) => joinCells(SHAPES[kind].fields, cellsOf(kind, name)));
    if (!stays || rows.length === 1) return;
    this.#write(file, {
      ring: "windows",
      number: ++this.#lastWindow,
      stamp: { at: stamp.at, known: 0, width: 0, through: last.number },
      values: remainder(daemon, last.values),
    }, (kind, name) => {
      const cell = cellsOf(kind, name).at(-1);
      return cell && remainder(SHAPES[kind].fields, cell);
    });
  }

  /** Writes a row into each block, that of the daemon last. */
  #write(
    file: Deno.FsFile,
    row: RowPlace,
    valuesOf: (kind: NamedKind, name: string) => Values | undefined,
  ): void {
    const { blocks } = this.#head!;
    const { ring, number, stamp, values } = row;
    const cells = blocks.map((kind): (Values | undefined)[] =>
      kind === "daemon" ? [stampedValues(stamp, values)] : []
    );
    for (const kind of NAMED) {
      for (const [name, { block, column }] of this.#columns[kind]) {
        cells[block]![column] = valuesOf(kind, name);
      }
    }
    for (let block = blocks.length - 1; block >= 0; block--) {
      const shape = SHAPES[blocks[block]!];
      const at = blockOffset(blocks, block) + ringOffset(shape, ring) +
        number % ROWS[ring] * shape.rowSize;
      writeAt(file, encodeRow(shape, { block, number, cells: cells[block]! }), at);
    }
    const rows = this.#rows[ring];
    rows.push(row);
    if (rows[0]!.number <= number - ROWS[ring]) rows.shift();
  }

  /** Rows of ten minutes as far as those of a minute do not go back. */
  #allRows(): RowPlace[] {
    const { minutes, windows } = this.#rows;
    const oldest = minutes[0]?.number ?? Infinity;
    const joined = windows.find(({ stamp }) => stamp.through + 1 >= oldest) ?? windows.at(-1);
    const through = oldest === 1 ? 0 : joined?.stamp.through ?? 0;
    return [
      ...windows.filter(({ stamp }) => stamp.through <= through),
      ...minutes.filter(({ number }) => number > through),
    ];
  }

  #cellsOf(
    file: Deno.FsFile | undefined,
    rows: readonly RowPlace[],
    names: readonly { kind: NamedKind; name: string }[],
  ): (Values | undefined)[][] {
    const found = new Map<string, Map<number, Bytes>>();
    let damaged = 0;
    const ranges = { minutes: rangeOf(rows, "minutes"), windows: rangeOf(rows, "windows") };
    const ringOf = (block: number, ring: Ring) => {
      const key = `${ring} ${block}`;
      let bytes = found.get(key);
      if (bytes === undefined) {
        const { blocks } = this.#head!;
        const read = readRing(file!, { blocks, block, ring, range: ranges[ring] });
        damaged += read.damaged;
        found.set(key, bytes = new Map(read.rows.map((row) => [row.number, row.bytes])));
      }
      return bytes;
    };
    const cells = names.map(({ kind, name }) => {
      const place = this.#columns[kind].get(name);
      return rows.map(({ ring, number, stamp }) => {
        if (!place || stamp.through < place.since) return undefined;
        const bytes = ringOf(place.block, ring).get(number);
        return bytes && knownCell(decodeCell(SHAPES[kind], bytes, place.column));
      });
    });
    if (damaged > 0) this.#onDamage(`${damaged} rows do not match their checksums`);
    return cells;
  }
}

function noColumns(): Record<NamedKind, Map<string, Column>> {
  return { topics: new Map(), subscriptions: new Map() };
}

/** Undefined if nothing of it is known. */
function knownCell(cell: Values): Values | undefined {
  return cell.every(Number.isNaN) ? undefined : cell;
}

/** The numbers of the first and the last row of a ring. */
function rangeOf(rows: readonly RowPlace[], ring: Ring): [number, number] | undefined {
  const numbers = rows.filter((row) => row.ring === ring).map(({ number }) => number);
  return numbers.length === 0 ? undefined : [numbers[0]!, numbers.at(-1)!];
}

/** The ten minutes that a row belongs to. */
function windowOf({ at, width }: Pick<Stamp, "at" | "width">): number {
  return Math.floor((at - width / 2) / WINDOW_MS);
}
