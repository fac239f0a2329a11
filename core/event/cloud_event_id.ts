/**
 * Ids for CloudEvents whose own id cannot be the event's. A CloudEvent is identified by its source
 * and its id together, which may be any text; an event of ours by an id that is unique in its
 * topic, and short.
 */

/** The part of `node:crypto` that is needed. */
interface Crypto {
  createHash(name: string): { update(text: string): { digest(form: "hex"): string } };
}

const PREFIX = "ce-";
/** Half of the digits of SHA-256. */
const DIGITS = 32;

/** An id for a source and an id; always the same, so that an event is stored once. */
export function hashedId(source: string, id: string): string {
  const digest = loadCrypto().createHash("sha256").update(JSON.stringify([source, id]))
    .digest("hex");
  return PREFIX + digest.slice(0, DIGITS);
}

/** Loaded when it is needed: few events have such an id, and every start would pay for it. */
function loadCrypto(): Crypto {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: "node:crypto"): Crypto };
  };
  return process.getBuiltinModule("node:crypto");
}
