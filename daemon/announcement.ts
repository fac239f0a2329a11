/**
 * What a daemon writes beside its locks (its process and its socket), so that clients find it
 * whatever their environment: in the data dir for clients that know the data dir, and in the
 * socket's lock file for clients that know the socket.
 */
import { ifThere } from "../core/base/if_there.ts";
import { type Holder, holderFile, readHolder, socketLockFile } from "../core/protocol/holder.ts";

/** Announces who holds the data dir and the socket. Call it while holding both locks. */
export function announce(holder: Holder): void {
  const text = `${JSON.stringify(holder)}\n`;
  const path = holderFile(holder.dataDir);
  const fresh = `${path}.new`;
  ifThere(() => Deno.removeSync(fresh));
  // Renamed into place, so that nobody reads half of it, and a link placed there is replaced,
  // not followed.
  Deno.writeTextFileSync(fresh, text, { createNew: true, mode: 0o600 });
  Deno.renameSync(fresh, path);
  // This file carries the lock, so it is written in place. lockSocket has checked what it is.
  Deno.writeTextFileSync(socketLockFile(holder.socket), text, { create: false });
}

/** Withdraws the announcement. Call it while still holding the locks. */
export function withdraw({ pid, dataDir }: Holder): void {
  const file = holderFile(dataDir);
  if (readHolder(file)?.pid === pid) ifThere(() => Deno.removeSync(file));
}
