/**
 * A Debian of its own, as a fresh machine has it, to be entered with chroot: made of the files of
 * this machine's packages, so that it takes seconds and no network. It has no Node, no Deno, and no
 * systemd unless that is asked for.
 */
import assert from "node:assert/strict";
import { PACKAGE_FORMAT, packagesFor, parsePackages } from "./debian_packages.ts";
import { needTools, Place, type ScriptResult } from "./shell.ts";

/** What takes room, and what no program needs. */
const LEFT_OUT = /^\/(?:\.$|usr\/share\/(?:doc|man|locale|info|i18n|zoneinfo)\/)/;

/** Who runs a script. */
export type RootUser = "root" | "ada" | "bob" | "eve";

/** Makes the folder `$ROOT` a root of the files that `$FILES` names. */
const MAKE = `
for name in bin sbin lib lib32 lib64 libx32; do
  if test -h "/$name"; then
    link=$(readlink "/$name")
    mkdir -p "$ROOT/$link"
    ln -s "$link" "$ROOT/$name"
  fi
done
tar --create --file=- --no-recursion --directory=/ --null --files-from="$FILES" |
  tar --extract --same-permissions --same-owner --directory="$ROOT" --file=-
mkdir -p "$ROOT/proc" "$ROOT/dev" "$ROOT/run" "$ROOT/tmp" "$ROOT/root" "$ROOT/home" "$ROOT/etc" \\
  "$ROOT/usr/local/bin" "$ROOT/usr/local/sbin" "$ROOT/opt" \\
  "$ROOT/var/lib/dpkg/info" "$ROOT/var/lib/dpkg/updates" "$ROOT/var/cache" "$ROOT/var/log"
chmod 1777 "$ROOT/tmp"
cp "$ROOT/usr/share/base-passwd/passwd.master" "$ROOT/etc/passwd"
cp "$ROOT/usr/share/base-passwd/group.master" "$ROOT/etc/group"
test -e "$ROOT/bin/sh" || ln -s dash "$ROOT/bin/sh"
test -e "$ROOT/usr/bin/awk" || ln -s mawk "$ROOT/usr/bin/awk"
ldconfig -r "$ROOT"
for name in null zero full random urandom tty; do : >"$ROOT/dev/$name"; done
dpkg-query -s $PACKAGES >"$ROOT/var/lib/dpkg/status"
cp /var/lib/dpkg/info/format "$ROOT/var/lib/dpkg/info/"
for name in $PACKAGES; do
  for file in "/var/lib/dpkg/info/$name".*; do cp "$file" "$ROOT/var/lib/dpkg/info/"; done
done
for name in ada bob eve; do
  chroot "$ROOT" useradd --home-dir "/home/$name" --no-create-home --shell /bin/sh "$name"
  mkdir -m 700 "$ROOT/home/$name"
  chroot "$ROOT" chown "$name:$name" "/home/$name"
done
`;

/** Enters it with processes, mounts and a /proc of its own: with the script, all of them end. */
const ENTER = `
mount -t proc proc "$ROOT/proc"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/run"
for name in null zero full random urandom tty; do mount --bind "/dev/$name" "$ROOT/dev/$name"; done
if test -n "$READ_ONLY"; then
  mount --bind "$ROOT$READ_ONLY" "$ROOT$READ_ONLY"
  mount -o remount,bind,ro "$ROOT$READ_ONLY"
fi
exec chroot "$ROOT" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
  HOME="$USER_HOME" LC_ALL=C NO_COLOR=1 $RUN_AS sh -eu -c "$SCRIPT"
`;

/** How a script is run. */
export interface RootOptions {
  as?: RootUser;
  /** A folder that is on a read-only file system meanwhile. */
  readOnly?: string;
}

/** The root, in a place that is removed with it. */
export class BareRoot {
  readonly folder: string;
  readonly #place: Place;

  private constructor(place: Place) {
    this.#place = place;
    this.folder = `${place.folder}/root`;
  }

  /** Makes one with the essential packages, useradd, and the packages that are named. */
  static async make(...packages: string[]): Promise<BareRoot> {
    needTools("dpkg-query", "tar", "chroot", "ldconfig", "unshare", "mount", "setpriv");
    const root = new BareRoot(await Place.make());
    try {
      await root.#fill(packages);
      return root;
    } catch (error) {
      await root[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #fill(packages: readonly string[]): Promise<void> {
    const place = this.#place;
    await Deno.mkdir(this.folder);
    for (const folder of [place.folder, this.folder]) await Deno.chmod(folder, 0o755);
    const all = parsePackages(await place.run(`dpkg-query -W -f '${PACKAGE_FORMAT}'`));
    const names = packagesFor(all, ["passwd", ...packages]);
    const files = await place.run(`dpkg-query -L ${names.join(" ")}`);
    const list = [...new Set(files.split("\n"))]
      .filter((path) => path.startsWith("/") && !LEFT_OUT.test(`${path}/`) && isThere(path));
    await Deno.writeTextFile(`${place.folder}/files`, list.map((path) => `.${path}\0`).join(""));
    await place.run(`umask 022\n${MAKE}`, {
      ROOT: this.folder,
      FILES: `${place.folder}/files`,
      PACKAGES: names.join(" "),
    });
  }

  /**
   * Runs a script in it. `HOME` is the user's own, and empty unless something was put there. There
   * is no network.
   */
  async sh(script: string, options: RootOptions = {}): Promise<ScriptResult> {
    const { as = "root", readOnly = "" } = options;
    return await this.#place.sh(
      `cd / && exec unshare --mount --propagation private --net --ipc --pid --fork --kill-child \\
  sh -eu -c "$ENTER"`,
      {
        ENTER,
        ROOT: this.folder,
        SCRIPT: script,
        READ_ONLY: readOnly,
        USER_HOME: as === "root" ? "/root" : `/home/${as}`,
        RUN_AS: as === "root" ? "" : asUser(as),
      },
    );
  }

  /** Runs a script that must exit with 0, and returns its output. */
  async run(script: string, options: RootOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.sh(script, options);
    assert.equal(code, 0, `${script}\nended with ${code}\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** Runs a script outside of it, in a folder beside it; `$ROOT` is its folder. */
  async outside(script: string, env: Record<string, string> = {}): Promise<string> {
    return await this.#place.run(script, { ROOT: this.folder, ...env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#place[Symbol.asyncDispose]();
  }
}

/** The words that run a command as another user within the root. */
export function asUser(name: string): string {
  return `setpriv --reuid=${name} --regid=${name} --init-groups --inh-caps=-all`;
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    // Images for containers leave out documentation.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
