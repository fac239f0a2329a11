/**
 * How long the machine takes for a small durable write, without a daemon: the control for a soak's
 * waits.
 */

const LOOKS = 10;
const BYTES = new Uint8Array(4096);

/** A file that is written to and synced. */
export class SyncProbe implements Disposable {
  readonly #file: Deno.FsFile;

  constructor(path: string) {
    this.#file = Deno.openSync(path, { write: true, create: true });
  }

  /** How long each of some took, ms. */
  async look(): Promise<number[]> {
    const took: number[] = [];
    while (took.length < LOOKS) {
      const began = performance.now();
      await this.#file.seek(0, Deno.SeekMode.Start);
      await this.#file.write(BYTES);
      await this.#file.syncData();
      took.push(performance.now() - began);
    }
    return took;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
