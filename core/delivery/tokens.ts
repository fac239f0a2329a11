/** Names of leases. */

const boot = crypto.getRandomValues(new Uint32Array(2)).reduce(
  (text, n) => text + n.toString(36),
  "",
);
let lastToken = 0;

/** A name that was never used before, not even by an earlier process. */
export function newToken(): string {
  return `${boot}-${(++lastToken).toString(36)}`;
}
