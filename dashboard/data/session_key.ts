/**
 * The page's half of the session. The server puts it into the fragment of the first address, and
 * expects it back with every request; the other half is a cookie that scripts cannot read.
 */

const STORED_AS = "evs-dashboard-key";
const FRAGMENT = /^#key=([\w-]+)$/;

/** Keeps the key of the address that the server redirected to, and takes it out of the address. */
export function adoptSessionKey(): void {
  const found = FRAGMENT.exec(location.hash);
  if (found === null) return;
  localStorage.setItem(STORED_AS, found[1]!);
  history.replaceState(null, "", "/#/");
}

/** The key; empty if this browser has none. */
export function sessionKey(): string {
  return localStorage.getItem(STORED_AS) ?? "";
}
