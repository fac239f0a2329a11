/**
 * What happened, as a hash and, where asked, as a story. Two runs of a seed have the same hash, or
 * something outside of the world's control had a part in one of them.
 */
import { hashText } from "./random.ts";

/** Collects lines. */
export class Trace {
  #low = 0x811c9dc5;
  #high = 0x1234567;
  #lines = 0;
  /** Kept if asked. The first of two runs has it to compare with. */
  readonly lines: string[] | undefined;
  /** What a person reads: the visible events alone. */
  readonly story: string[] | undefined;
  readonly #hide: readonly [string, string][];

  /** `hide`: texts that differ from run to run (the folder of the databases), and what to write. */
  constructor(
    { keep, story, hide }: {
      keep: boolean;
      story: boolean;
      hide: readonly [string, string][];
    },
  ) {
    this.lines = keep ? [] : undefined;
    this.story = story ? [] : undefined;
    this.#hide = hide;
  }

  /** A decision or a call: part of the hash. `told`: part of the story, too. */
  add(at: number, who: string, what: string, told = false): void {
    let line = `${at.toFixed(3)} ${who} ${what}`;
    for (const [from, to] of this.#hide) line = line.replaceAll(from, to);
    this.#low = hashText(line, this.#low);
    this.#high = Math.imul(this.#high ^ this.#low, 0x9e3779b1) ^ this.#lines++;
    this.lines?.push(line);
    if (told) this.story?.push(line);
  }

  /** Of all lines so far. */
  get hash(): string {
    const hex = (n: number) => (n >>> 0).toString(16).padStart(8, "0");
    return `${hex(this.#high)}${hex(this.#low)}`;
  }

  get count(): number {
    return this.#lines;
  }
}
