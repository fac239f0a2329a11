/**
 * The layout of the file `history` of a data dir: numbers of the last 72 hours (ADR 61).
 *
 * ```text
 * head                      magic, version, id, the kind of each block, CRC
 * block 0: the daemon       rows
 * block 1: 32 topics        names, rows
 * block 2: 32 subscriptions names, rows
 * …                         as many as there are topics and subscriptions, up to a limit
 *
 * rows: 180 of a minute, then 432 of ten minutes; each is a ring
 * row:  number, CRC, a cell for each column
 * ```
 *
 * A row of a sample has the same number, and so the same place, in each block. What was never
 * written is zeros.
 */
import { crc32 } from "../base/checksum.ts";

/**
 * How several values of a field become one. `sum`: what was counted. `most` and `least`: what was
 * measured, and stays until the next time. `age`: as `most`; it grows with time. `peak`: as `most`;
 * it is not there before the next time.
 */
export type FieldKind = "sum" | "most" | "least" | "age" | "peak" | "stamp";

/** One number of a cell. */
export interface RowField {
  readonly name: string;
  readonly as: FieldKind;
  readonly type: "u32" | "f32" | "f64";
  /** Changes of its own accord: no reason to store a row. */
  readonly restless?: true;
}

const count = (name: string, type: RowField["type"] = "u32"): RowField => ({
  name,
  as: "sum",
  type,
});
const gauge = (name: string, type: RowField["type"] = "u32"): RowField => ({
  name,
  as: "most",
  type,
});
const restless = (name: string, as: FieldKind): RowField => ({
  name,
  as,
  type: "f64",
  restless: true,
});

/** When a row was taken; see {@link Stamp}. */
const STAMP: readonly RowField[] = ["at", "known", "width", "through"].map((name) => ({
  name,
  as: "stamp",
  type: "f64",
}));

/** What is known of the daemon as a whole. */
export const DAEMON_FIELDS: readonly RowField[] = [
  ...["published", "refused", "acknowledged", "failed", "dead"].map((name) => count(name, "f64")),
  { name: "publishP99Ms", as: "peak", type: "f64" },
  ...["pending", "leased", "scheduled", "deadLetters", "events", "bytes"].map((name) =>
    gauge(name, "f64")
  ),
  restless("connections", "most"),
  restless("memory", "most"),
  restless("diskFree", "least"),
  restless("diskUsed", "most"),
];

/** What is known of a topic. */
export const TOPIC_FIELDS: readonly RowField[] = [
  count("published"),
  gauge("events"),
  gauge("bytes", "f64"),
  gauge("lastSeq", "f64"),
];

/** What is known of a subscription. */
export const SUBSCRIPTION_FIELDS: readonly RowField[] = [
  count("acknowledged"),
  count("failed"),
  count("dead"),
  gauge("pending"),
  gauge("leased"),
  gauge("scheduled"),
  gauge("deadLetters"),
  { name: "oldestPendingMs", as: "age", type: "f32", restless: true },
];

/** What a block is about. */
export type BlockKind = "daemon" | "topics" | "subscriptions";

/** The shape of a block. */
export interface BlockShape {
  readonly fields: readonly RowField[];
  readonly columns: number;
  /** Bytes of the names before the rows. */
  readonly namesSize: number;
  readonly cellSize: number;
  readonly rowSize: number;
  /** Bytes of all of it. */
  readonly size: number;
}

/** How many topics or subscriptions are in one block. */
export const COLUMNS = 32;
/** Rows of a minute: three hours of them. */
export const MINUTES = 180;
/** Rows of ten minutes: 72 hours of them. */
export const WINDOWS = 432;
/** How long a window is, ms. */
export const WINDOW_MS = 600_000;
/** Most topics, and most subscriptions, that have a history. */
export const MOST_KEPT = 1000;

/** The two rings of a block. */
export type Ring = "minutes" | "windows";

/** How many rows they have. */
export const ROWS: Readonly<Record<Ring, number>> = { minutes: MINUTES, windows: WINDOWS };

const SIZES = { u32: 4, f32: 4, f64: 8 } as const;
const ROW_HEAD = 8;
/** Of one name: CRC, first row, length, name. */
export const NAME_SIZE = 144;
const NAME_AT = 9;

function shape(fields: readonly RowField[], columns: number, namesSize: number): BlockShape {
  const cellSize = fields.reduce((sum, { type }) => sum + SIZES[type], 0);
  const rowSize = ROW_HEAD + columns * cellSize;
  const size = namesSize + (MINUTES + WINDOWS) * rowSize;
  return { fields, columns, namesSize, cellSize, rowSize, size };
}

/** The shape of each kind. */
export const SHAPES: Readonly<Record<BlockKind, BlockShape>> = {
  daemon: shape([...STAMP, ...DAEMON_FIELDS], 1, 0),
  topics: shape(TOPIC_FIELDS, COLUMNS, COLUMNS * NAME_SIZE),
  subscriptions: shape(SUBSCRIPTION_FIELDS, COLUMNS, COLUMNS * NAME_SIZE),
};

/** When a row was taken, and what time it is about. */
export interface Stamp {
  /** Unix ms. */
  at: number;
  /** For how long before that the row says what was there, ms. */
  known: number;
  /** How long before that the first change was, ms: what was counted came after it. */
  width: number;
  /** Of a row of ten minutes: the last row of a minute that is in it. */
  through: number;
}

/** The values of a row of the daemon. */
export function stampedValues({ at, known, width, through }: Stamp, values: Values): Values {
  return [at, known, width, through, ...values];
}

/** The reverse. */
export function unstamped([at, known, width, through, ...values]: Values): {
  stamp: Stamp;
  values: Values;
} {
  return { stamp: { at: at!, known: known!, width: width!, through: through! }, values };
}

/** The numbers of one cell, in the order of its fields; NaN: not known. */
export type Values = number[];

/** Stands for NaN where there is none. */
const UNKNOWN = 0xffffffff;

/** A row as bytes; cells that are undefined are not known. `block`: its number in the file. */
export function encodeRow(
  { fields, columns, rowSize }: BlockShape,
  { block, number, cells }: {
    block: number;
    number: number;
    cells: readonly (Values | undefined)[];
  },
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(rowSize);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, number);
  let at = ROW_HEAD;
  for (let column = 0; column < columns; column++) {
    const cell = cells[column];
    for (const [i, { type }] of fields.entries()) {
      const value = cell?.[i] ?? NaN;
      if (type === "f64") view.setFloat64(at, value);
      else if (type === "f32") view.setFloat32(at, value);
      else view.setUint32(at, Number.isNaN(value) ? UNKNOWN : Math.min(value, UNKNOWN - 1));
      at += SIZES[type];
    }
  }
  view.setUint32(4, rowSum(bytes, block));
  return bytes;
}

/** A row number, 0 if there is no row; undefined if it does not match its checksum. */
export function rowNumber(bytes: Uint8Array<ArrayBuffer>, block: number): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const number = view.getUint32(0);
  if (number === 0) return isBlank(bytes) ? 0 : undefined;
  return view.getUint32(4) === rowSum(bytes, block) ? number : undefined;
}

function rowSum(bytes: Uint8Array, block: number): number {
  return crc32(bytes.subarray(ROW_HEAD), crc32(bytes.subarray(0, 4), block));
}

/** One cell of a row. */
export function decodeCell(
  { fields, cellSize }: BlockShape,
  bytes: Uint8Array<ArrayBuffer>,
  column: number,
): Values {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = ROW_HEAD + column * cellSize;
  return fields.map(({ type }) => {
    const here = at;
    at += SIZES[type];
    if (type === "f64") return view.getFloat64(here);
    if (type === "f32") return view.getFloat32(here);
    const value = view.getUint32(here);
    return value === UNKNOWN ? NaN : value;
  });
}

/** Which topic or subscription a column is about, from which row on. */
export interface ColumnName {
  name: string;
  since: number;
}

/** A name as bytes; undefined: the column is free. */
export function encodeName(column: ColumnName | undefined): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(NAME_SIZE);
  if (column === undefined) return bytes;
  const view = new DataView(bytes.buffer);
  view.setUint32(4, column.since);
  bytes[8] = new TextEncoder().encodeInto(column.name, bytes.subarray(NAME_AT)).written;
  view.setUint32(0, crc32(bytes.subarray(4)));
  return bytes;
}

/** The reverse; "damaged" if it does not match its checksum. */
export function decodeName(bytes: Uint8Array<ArrayBuffer>): ColumnName | "damaged" | undefined {
  if (isBlank(bytes)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint32(0) !== crc32(bytes.subarray(4, NAME_SIZE))) return "damaged";
  const name = new TextDecoder().decode(bytes.subarray(NAME_AT, NAME_AT + bytes[8]!));
  return { name, since: view.getUint32(4) };
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Bytes of the head. */
export const HEAD_SIZE = 256;
const MAGIC = "EVSHIST\n";
const VERSION = 1;
const ID_AT = 16;
const ID_SIZE = 16;
const KINDS_AT = 36;
const KINDS: readonly BlockKind[] = ["daemon", "topics", "subscriptions"];
/** Most blocks of a file. */
export const MOST_BLOCKS = 1 + 2 * Math.ceil(MOST_KEPT / COLUMNS);

/** Bytes of the largest file. */
export const LARGEST_FILE = HEAD_SIZE + SHAPES.daemon.size +
  (MOST_BLOCKS - 1) / 2 * (SHAPES.topics.size + SHAPES.subscriptions.size);

/** What a file begins with. */
export interface FileHead {
  /** Random; another file has another one. */
  id: Uint8Array;
  blocks: BlockKind[];
}

/** A new head. */
export function newHead(): FileHead {
  return { id: crypto.getRandomValues(new Uint8Array(ID_SIZE)), blocks: ["daemon"] };
}

/** A head as bytes. */
export function encodeHead({ id, blocks }: FileHead): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEAD_SIZE);
  const view = new DataView(bytes.buffer);
  new TextEncoder().encodeInto(MAGIC, bytes);
  view.setUint32(8, VERSION);
  view.setUint32(12, blocks.length);
  bytes.set(id, ID_AT);
  bytes.set(blocks.map((kind) => KINDS.indexOf(kind)), KINDS_AT);
  view.setUint32(32, headSum(bytes));
  return bytes;
}

/** The reverse. "newer": of a later version of this program, which this one leaves alone. */
export function decodeHead(bytes: Uint8Array<ArrayBuffer>): FileHead | "damaged" | "newer" {
  if (bytes.length < HEAD_SIZE) return "damaged";
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint32(32) !== headSum(bytes)) return "damaged";
  if (new TextDecoder().decode(bytes.subarray(0, 8)) !== MAGIC) return "damaged";
  if (view.getUint32(8) > VERSION) return "newer";
  const kinds = bytes.subarray(KINDS_AT, KINDS_AT + view.getUint32(12));
  return {
    id: bytes.slice(ID_AT, ID_AT + ID_SIZE),
    blocks: Array.from(kinds, (kind) => KINDS[kind]!),
  };
}

/** The checksum of a head. */
export function headSum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(KINDS_AT, HEAD_SIZE), crc32(bytes.subarray(0, 32)));
}

/** Where a block begins. */
export function blockOffset(blocks: readonly BlockKind[], block: number): number {
  return blocks.slice(0, block).reduce((sum, kind) => sum + SHAPES[kind].size, HEAD_SIZE);
}

/** Where a ring begins, within its block. */
export function ringOffset({ namesSize, rowSize }: BlockShape, ring: Ring): number {
  return namesSize + (ring === "minutes" ? 0 : MINUTES * rowSize);
}
