/**
 * A disk for a test whose device can stop answering: its image lies on another disk, which is frozen
 * meanwhile. Needs root.
 */
import assert from "node:assert/strict";
import { Disk } from "./disk.ts";

/** Space for the journal of the disk below, megabytes. */
const BESIDE = 32;

/** A small file system whose device stalls when it is told to. */
export class StallingDisk {
  readonly #disk: Disk;
  readonly #below: Disk;
  #isStalled = false;

  private constructor(disk: Disk, below: Disk) {
    this.#disk = disk;
    this.#below = below;
  }

  /** Creates a disk of this many megabytes. */
  static async make(megabytes: number): Promise<StallingDisk> {
    const below = await Disk.make(megabytes + BESIDE);
    try {
      return new StallingDisk(await Disk.make(megabytes, { dir: below.path }), below);
    } catch (error) {
      await below[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where it is mounted. */
  get path(): string {
    return this.#disk.path;
  }

  /** From now on nothing that the system sends to the device is answered. */
  async stall(): Promise<void> {
    await this.#freeze("--freeze");
    this.#isStalled = true;
  }

  /** The device answers again, also what it was asked meanwhile. */
  async resume(): Promise<void> {
    await this.#freeze("--unfreeze");
    this.#isStalled = false;
  }

  async #freeze(how: string): Promise<void> {
    const args = [how, this.#below.path];
    const { success, stderr } = await new Deno.Command("fsfreeze", { args }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isStalled) await this.resume();
    await this.#disk[Symbol.asyncDispose]();
    await this.#below[Symbol.asyncDispose]();
  }
}
