/**
 * A disk for a test: a file system in a file, mounted through a loop device, whose power can be
 * cut. Needs root.
 *
 * The power cut is a feature of ext4: the ioctl `FS_IOC_GOINGDOWN` with "no log flush" shuts down
 * the file system at once; everything that was not synced is still in memory and is discarded with
 * it (https://man7.org/linux/man-pages/man2/ioctl_fs.2.html; xfstests does the same).
 */
import assert from "node:assert/strict";

/**
 * `_IOR('X', 125, __u32)` and its flag for "do not flush the journal" (include/uapi/linux/fs.h,
 * fs/ext4/ext4.h).
 */
const CUT =
  '$f = pack("L", 2); open(D, "<", $ARGV[0]) or die $!; ioctl(D, 0x8004587d, $f) or die $!';

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  assert.ok(success, `${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** A small file system on a loop device. */
export class Disk {
  /** Where it is mounted; empty except for `lost+found`. */
  readonly path: string;
  #image: string;
  #mounted = false;
  #isCut = false;

  private constructor(readonly folder: string) {
    this.path = `${folder}/disk`;
    this.#image = `${folder}/disk.img`;
  }

  /** Creates a disk of this many megabytes; `dir`: a folder for its image. */
  static async make(megabytes: number, { dir }: { dir?: string } = {}): Promise<Disk> {
    const at = dir === undefined ? {} : { dir };
    const disk = new Disk(await Deno.makeTempDir({ ...at, prefix: "evs-disk-" }));
    await Deno.mkdir(disk.path);
    await run("truncate", "-s", `${megabytes}M`, disk.#image);
    // Without reserved blocks for root: free space is free for the daemon, too.
    await run("mkfs.ext4", "-q", "-F", "-m", "0", disk.#image);
    await disk.mount();
    return disk;
  }

  async mount(): Promise<void> {
    if (this.#isCut) await this.#replaceImage();
    await run("mount", "-o", "loop", this.#image, this.path);
    this.#mounted = true;
  }

  /**
   * Whoever made a mount namespace meanwhile (unshare(1), a container) still has the file system
   * mounted there, and a mount of the same image would be that one again, with its power cut.
   */
  async #replaceImage(): Promise<void> {
    const copy = `${this.folder}/disk-${crypto.randomUUID()}.img`;
    await run("cp", "--sparse=always", this.#image, copy);
    await Deno.remove(this.#image);
    this.#image = copy;
    this.#isCut = false;
  }

  /** Uses up all but `left` bytes of it; {@link makeRoom} frees them. */
  async fill(left: number): Promise<void> {
    const { stdout } = await new Deno.Command("stat", { args: ["-f", "-c", "%a %S", this.path] })
      .output();
    const [blocks, size] = new TextDecoder().decode(stdout).trim().split(" ").map(Number);
    const filler = `${this.path}/filler`;
    const length = blocks! * size! - left;
    if (length <= 0) return await Deno.writeFile(filler, new Uint8Array());
    try {
      await run("fallocate", "-l", String(length), filler);
    } catch {
      // A daemon wrote to the disk meanwhile: the filler took all that was left, and returns some.
      const allocated = (await Deno.stat(filler)).blocks! * 512;
      await Deno.truncate(filler, Math.max(0, allocated - left));
    }
  }

  /** Removes what {@link fill} wrote. */
  async makeRoom(): Promise<void> {
    await Deno.remove(`${this.path}/filler`);
  }

  /** Cuts the power: nothing more reaches the disk. Open files return errors. */
  async cutPower(): Promise<void> {
    await run("perl", "-e", CUT, this.path);
    this.#isCut = true;
  }

  /** Nobody may have files open. */
  async unmount(): Promise<void> {
    await run("umount", this.path);
    this.#mounted = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#mounted) await this.unmount();
    await Deno.remove(this.folder, { recursive: true });
  }
}
