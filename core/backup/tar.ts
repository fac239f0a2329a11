/**
 * Tar archives of plain files: the ustar format of POSIX, with GNU's entries for names and sizes
 * that do not fit in it. `tar tf FILE` lists an archive. Files are processed one at a time, block
 * by block, so memory use does not grow with the archive.
 */
import { DataDirError } from "../base/errors.ts";

const BLOCK = 512;
const CHUNK = 1024 * 1024;
/** The longest name that is accepted, bytes; no data dir has one that long. */
const LONGEST_NAME = 4096;
const LONG_NAME = "././@LongLink";
/** The largest number that fits in eleven octal digits. */
const LARGEST_OCTAL = 8 ** 11 - 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Accepts bytes: a file, or standard output. */
export interface ByteSink {
  writeSync(bytes: Uint8Array): number;
}

/** Supplies bytes: a file, or standard input. */
export interface ArchiveSource {
  readSync(into: Uint8Array): number | null;
}

/** Writes an archive. */
export class TarWriter {
  readonly #out: ByteSink;
  readonly #modifiedAt: number;

  constructor(out: ByteSink, options: { modifiedAt: number }) {
    this.#out = out;
    this.#modifiedAt = Math.floor(options.modifiedAt / 1000);
  }

  /** Adds a small file. */
  addBytes(name: string, bytes: Uint8Array): void {
    this.#header(name, bytes.length);
    writeAll(this.#out, bytes);
    this.#pad(bytes.length);
  }

  /** Adds the file at `path`, which must not change meanwhile. */
  addFile(name: string, path: string): void {
    const file = Deno.openSync(path, { read: true });
    try {
      const { size } = file.statSync();
      this.#header(name, size);
      const buffer = new Uint8Array(CHUNK);
      for (let n = file.readSync(buffer); n !== null; n = file.readSync(buffer)) {
        writeAll(this.#out, buffer.subarray(0, n));
      }
      this.#pad(size);
    } finally {
      file.close();
    }
  }

  /** Ends the archive. */
  finish(): void {
    writeAll(this.#out, new Uint8Array(2 * BLOCK));
  }

  #header(name: string, size: number): void {
    const bytes = encoder.encode(name);
    if (bytes.length > 100) {
      writeAll(this.#out, header(LONG_NAME, { size: bytes.length + 1, type: "L", at: 0 }));
      writeAll(this.#out, bytes);
      writeAll(this.#out, new Uint8Array(1));
      this.#pad(bytes.length + 1);
    }
    writeAll(this.#out, header(name, { size, type: "0", at: this.#modifiedAt }));
  }

  #pad(size: number): void {
    writeAll(this.#out, new Uint8Array((BLOCK - size % BLOCK) % BLOCK));
  }
}

function header(
  name: string,
  { size, type, at }: { size: number; type: string; at: number },
): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (text: string, offset: number) => block.set(encoder.encode(text), offset);
  block.set(encoder.encode(name).subarray(0, 100), 0);
  put("0000600\0", 100);
  put("0000000\0", 108);
  put("0000000\0", 116);
  putSize(block, size);
  put(`${at.toString(8).padStart(11, "0")}\0`, 136);
  put("        ", 148);
  put(type, 156);
  put("ustar\0" + "00", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function putSize(block: Uint8Array, size: number): void {
  if (size <= LARGEST_OCTAL) {
    block.set(encoder.encode(`${size.toString(8).padStart(11, "0")}\0`), 124);
    return;
  }
  // GNU: the highest bit means that the rest is binary, most significant byte first.
  new DataView(block.buffer).setBigUint64(128, BigInt(size));
  block[124] = 0x80;
}

/** A file in an archive. Read its content before asking for the next entry. */
export interface TarEntry {
  name: string;
  size: number;
  /** The content in pieces; each overwrites the previous one. */
  content(): Generator<Uint8Array, void, undefined>;
}

/** Reads an archive from the start. Throws `DataDirError` if it is not one, or ends too early. */
export function* readTar(file: ArchiveSource): Generator<TarEntry, void, undefined> {
  let longName: string | undefined;
  while (true) {
    const block = readBlock(file);
    if (block.every((byte) => byte === 0)) return;
    if (!hasItsSum(block)) throw damaged("a header does not match its checksum");
    const size = sizeIn(block);
    const type = String.fromCharCode(block[156]!);
    let left = size;
    const content = function* (): Generator<Uint8Array, void, undefined> {
      const buffer = new Uint8Array(Math.min(CHUNK, Math.max(1, left)));
      while (left > 0) {
        const n = file.readSync(buffer.subarray(0, Math.min(buffer.length, left)));
        if (n === null) throw damaged("it ends in the middle of a file");
        left -= n;
        yield buffer.subarray(0, n);
      }
    };
    if (type === "L") {
      if (size > LONGEST_NAME) throw damaged("a name in it does not end");
      let name = "";
      for (const piece of content()) name += decoder.decode(piece, { stream: true });
      longName = name.replace(/\0.*$/s, "");
    } else if (type === "0" || type === "\0") {
      yield { name: longName ?? textIn(block, 0, 100), size, content };
      longName = undefined;
      // Skip whatever was not read.
      for (const _piece of content());
    } else {
      throw damaged(`it has an entry of type ${JSON.stringify(type)}`);
    }
    skip(file, (BLOCK - size % BLOCK) % BLOCK);
  }
}

function textIn(block: Uint8Array, from: number, length: number): string {
  return decoder.decode(block.subarray(from, from + length)).replace(/\0.*$/s, "");
}

function sizeIn(block: Uint8Array): number {
  if (block[124] === 0x80) return Number(new DataView(block.buffer).getBigUint64(128));
  const text = textIn(block, 124, 12).trim();
  if (!/^[0-7]+$/.test(text)) throw damaged("a size is not a number");
  return parseInt(text, 8);
}

function hasItsSum(block: Uint8Array): boolean {
  const claimed = parseInt(textIn(block, 148, 8), 8);
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
  return sum === claimed;
}

function readBlock(file: ArchiveSource): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK);
  for (let at = 0; at < BLOCK;) {
    const n = file.readSync(block.subarray(at));
    if (n === null) throw damaged("it ends too soon");
    at += n;
  }
  return block;
}

function skip(file: ArchiveSource, bytes: number): void {
  const passed = new Uint8Array(BLOCK);
  for (let left = bytes; left > 0;) {
    const n = file.readSync(passed.subarray(0, left));
    if (n === null) throw damaged("it ends too soon");
    left -= n;
  }
}

function damaged(what: string): DataDirError {
  return new DataDirError("datadir/damaged", `this is not a whole backup: ${what}`, {
    hint: "choose another backup; nothing was changed",
  });
}

/** Writes all the bytes: a single write may accept fewer than it was given. */
export function writeAll(file: ByteSink, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}
