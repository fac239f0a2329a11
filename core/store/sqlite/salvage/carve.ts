/**
 * Extracts rows from the pages of a database that SQLite can no longer read:
 * https://sqlite.org/fileformat2.html#b_tree_pages
 *
 * Every leaf page lists its own cells, so the pages that hold the tree together (the first page and
 * the inner ones) are not needed. Whether a row is an intact one of ours is up to the caller: rows
 * carry checksums. No I/O.
 */

/** A value of a record. */
export type Value = string | number | Uint8Array | null;

/** A record of a leaf; `rowid` if the table has one. */
export interface CarvedRecord {
  rowid?: number;
  values: Value[];
}

const TABLE_LEAF = 13;
const INDEX_LEAF = 10;
const INDEX_INNER = 2;
const decoder = new TextDecoder();

/**
 * The records of a page; `pageOf` returns other pages, for overflow. Malformed cells are skipped.
 */
export function* recordsOf(
  page: Uint8Array,
  options: { number: number; pageOf: (number: number) => Uint8Array | undefined },
): Generator<CarvedRecord, void, undefined> {
  const at = options.number === 1 ? 100 : 0;
  const type = page[at];
  if (type !== TABLE_LEAF && type !== INDEX_LEAF && type !== INDEX_INNER) return;
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  const pointers = at + (type === INDEX_INNER ? 12 : 8);
  const cells = Math.min(view.getUint16(at + 3), Math.floor((page.length - pointers) / 2));
  for (let cell = 0; cell < cells; cell++) {
    const start = view.getUint16(pointers + 2 * cell) + (type === INDEX_INNER ? 4 : 0);
    const record = readCell(page, { start, type, pageOf: options.pageOf });
    if (record) yield record;
  }
}

function readCell(
  page: Uint8Array,
  { start, type, pageOf }: {
    start: number;
    type: number;
    pageOf: (number: number) => Uint8Array | undefined;
  },
): CarvedRecord | undefined {
  const length = varint(page, start);
  if (!length || length.value <= 0 || length.value > 2 ** 30) return undefined;
  const rowid = type === TABLE_LEAF ? varint(page, length.next) : undefined;
  if (type === TABLE_LEAF && !rowid) return undefined;
  const from = (rowid ?? length).next;
  const payload = gather(page, {
    from,
    length: length.value,
    isTable: type === TABLE_LEAF,
    pageOf,
  });
  const values = payload && readRecord(payload);
  return values && { ...(rowid ? { rowid: rowid.value } : {}), values };
}

/** The payload of a cell, including what is on overflow pages. */
function gather(
  page: Uint8Array,
  { from, length, isTable, pageOf }: {
    from: number;
    length: number;
    isTable: boolean;
    pageOf: (number: number) => Uint8Array | undefined;
  },
): Uint8Array | undefined {
  const usable = page.length;
  const most = isTable ? usable - 35 : Math.floor((usable - 12) * 64 / 255) - 23;
  if (length <= most) {
    return from + length <= usable ? page.subarray(from, from + length) : undefined;
  }
  const least = Math.floor((usable - 12) * 32 / 255) - 23;
  const fits = least + (length - least) % (usable - 4);
  const local = fits <= most ? fits : least;
  if (from + local + 4 > usable) return undefined;
  const payload = new Uint8Array(length);
  payload.set(page.subarray(from, from + local));
  let at = local;
  let next = uint32(page, from + local);
  while (at < length) {
    const overflow = next === 0 ? undefined : pageOf(next);
    if (!overflow) return undefined;
    const part = overflow.subarray(4, 4 + Math.min(usable - 4, length - at));
    payload.set(part, at);
    at += part.length;
    next = uint32(overflow, 0);
  }
  return payload;
}

function readRecord(payload: Uint8Array): Value[] | undefined {
  const header = varint(payload, 0);
  if (!header || header.value > payload.length) return undefined;
  const values: Value[] = [];
  let at = header.next;
  let body = header.value;
  while (at < header.value) {
    const type = varint(payload, at);
    if (!type) return undefined;
    at = type.next;
    const size = sizeOf(type.value);
    if (size === undefined || body + size > payload.length) return undefined;
    values.push(valueOf(type.value, payload.subarray(body, body + size)));
    body += size;
  }
  return values;
}

/** Bytes of a value of a serial type; undefined if there is no such type. */
function sizeOf(type: number): number | undefined {
  if (type >= 12) return Math.floor((type - 12) / 2);
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0][type];
}

function valueOf(type: number, bytes: Uint8Array): Value {
  if (type === 0) return null;
  if (type === 8 || type === 9) return type - 8;
  if (type >= 12) return type % 2 === 0 ? bytes.slice() : decoder.decode(bytes);
  if (type === 7) return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0);
  let value = bytes[0]! > 127 ? -1n : 0n;
  for (const byte of bytes) value = value << 8n | BigInt(byte);
  return Number(BigInt.asIntN(64, value));
}

function uint32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
}

/** Reads one of SQLite's variable-length integers, of one to nine bytes. */
function varint(bytes: Uint8Array, at: number): { value: number; next: number } | undefined {
  let value = 0n;
  for (let i = 0; i < 9; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    if (i === 8) return { value: Number(value << 8n | BigInt(byte)), next: at + 9 };
    value = value << 7n | BigInt(byte & 127);
    if (byte < 128) return { value: Number(value), next: at + i + 1 };
  }
  return undefined;
}
