/**
 * The secrets of one run of the dashboard, and how they are compared.
 *
 * The link has a token. It is exchanged for two halves: a cookie that no script can read, and a key
 * that only pages of this very address can read (docs/adr/0057-dashboard.md). Neither is of any use
 * without the other.
 */
import { createHash, timingSafeEqual } from "node:crypto";

/** 256 bits: nobody guesses it, however often they try. */
const BYTES = 32;

/** The secrets of one run. */
export interface Secrets {
  /** In the link that is printed. */
  token: string;
  /** In the cookie. */
  cookie: string;
  /** In the browser's storage for this address. */
  key: string;
}

/** A random text that fits a URL, a header and a cookie. */
export function randomSecret(): string {
  return crypto.getRandomValues(new Uint8Array(BYTES)).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
}

/** Makes them. */
export function makeSecrets(): Secrets {
  return { token: randomSecret(), cookie: randomSecret(), key: randomSecret() };
}

/** Compares in a time that says nothing of how much is right. */
export function isSecret(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected));
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/**
 * The values of a cookie in a `Cookie` header. There may be several of one name: whatever else
 * serves on 127.0.0.1, on whatever port, can set cookies for all of it.
 */
export function cookiesIn(header: string | undefined, name: string): string[] {
  const pairs = header?.split(";").map((pair) => pair.trim()) ?? [];
  return pairs.filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
}

/** The token of `Authorization: Bearer TOKEN`. */
export function bearerIn(header: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/=-]+)$/i.exec(header ?? "")?.[1];
}
