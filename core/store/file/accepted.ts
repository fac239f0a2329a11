/**
 * The `%accepted` file of a store: damage that an operator has accepted (`evs doctor --accept`),
 * one line each, so that it does not count as new after a restart. A corrupt line is skipped, and
 * its damage is then reported again.
 */
import { crc32 } from "../../base/checksum.ts";
import type { Found } from "../damage.ts";
import { type Disk, readWhole, replaceFile } from "./disk.ts";
import { ACCEPTED_FILE } from "./layout.ts";

type Place = Pick<Found, "topic" | "firstSeq" | "lastSeq">;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The damage that was accepted. */
export class Accepted {
  readonly #disk: Disk;
  readonly #dir: string;
  /** Loaded on first use: most stores have no damage. */
  #places: Set<string> | undefined;

  constructor(disk: Disk, dir: string) {
    this.#disk = disk;
    this.#dir = dir;
  }

  has(place: Place): boolean {
    return this.#all().has(textOf(place));
  }

  /** Accepts these; durable when it returns. */
  add(places: readonly Place[]): void {
    const all = this.#all();
    const before = all.size;
    for (const place of places) all.add(textOf(place));
    if (all.size === before) return;
    const text = [...all].map((text) => `${sumOf(text)} ${text}\n`).join("");
    replaceFile(this.#disk, { folder: this.#dir, name: ACCEPTED_FILE }, encoder.encode(text));
  }

  #all(): Set<string> {
    if (this.#places) return this.#places;
    const bytes = readWhole(this.#disk, `${this.#dir}/${ACCEPTED_FILE}`) ?? new Uint8Array(0);
    const lines = decoder.decode(bytes).split("\n").filter((line) =>
      line.startsWith(`${sumOf(line.slice(9))} `)
    );
    return this.#places = new Set(lines.map((line) => line.slice(9)));
  }
}

function textOf({ topic, firstSeq, lastSeq }: Place): string {
  return `${topic} ${firstSeq} ${lastSeq}`;
}

function sumOf(text: string): string {
  return crc32(encoder.encode(text)).toString(16).padStart(8, "0");
}
