/**
 * What a daemon writes beside its locks, so that clients find it whatever their environment: its
 * process and its socket, in the data dir for those who know that, and in the socket's lock for
 * those who know this.
 */
import { type Holder, holderFile, readHolder, socketLockFile } from "../core/protocol/holder.ts";

/** Tells who holds the data dir and the socket. Call it with both locks held. */
export function announce(holder: Holder): void {
  const text = `${JSON.stringify(holder)}\n`;
  const path = holderFile(holder.dataDir);
  const fresh = `${path}.new`;
  remove(fresh);
  // Renamed into place: nobody reads half of it, and a link that somebody put there is replaced,
  // not followed.
  Deno.writeTextFileSync(fresh, text, { createNew: true, mode: 0o600 });
  Deno.renameSync(fresh, path);
  // This one is locked as a file, so it stays the file that it is. lockSocket has looked at what it
  // is.
  Deno.writeTextFileSync(socketLockFile(holder.socket), text, { create: false });
}

/** Takes it back. Call it with the locks still held. */
export function withdraw({ pid, dataDir }: Holder): void {
  if (readHolder(holderFile(dataDir))?.pid === pid) remove(holderFile(dataDir));
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
