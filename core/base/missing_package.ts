/**
 * The first run of a fresh copy downloads the few packages that `deno.lock` names. When that fails
 * (no network, a proxy that refuses), the runtime throws its own error with a stack trace. The user
 * only needs the package and the reason, in one sentence.
 */
import { EvsError, ExitCode } from "./errors.ts";

/**
 * How the runtime reports a package that it could not fetch: by the package itself, or by the
 * registry's response for it.
 */
const FAILED =
  /Failed caching npm package '([^']+)'|Failed loading \S+ for package "([^"]+)"|Error getting response at \S+ for package "([^"]+)"/;

/**
 * The error in plain words, or undefined if the text is about anything else. `then`: what to do once
 * it can be downloaded.
 */
export function missingPackage(
  text: string,
  { then = "type the same again" }: { then?: string } = {},
): EvsError | undefined {
  const found = FAILED.exec(text);
  if (found === null) return undefined;
  const name = found[1] ?? found[2] ?? found[3] ?? "";
  const isUntrusted = /invalid peer certificate/i.test(text);
  return new EvsError(
    { code: "runtime/package-missing", status: 503, exit: ExitCode.CannotStore },
    `${name}, which evs needs, is not on this machine yet and cannot be downloaded (${
      isUntrusted ? "the certificate of the npm registry is not trusted" : reasonOf(text)
    }): ${
      isUntrusted
        ? "set DENO_TLS_CA_STORE=system, which trusts what this machine trusts,"
        : "connect to the network"
    } and ${then}`,
    { details: { package: name } },
  );
}

function reasonOf(text: string): string {
  if (/error sending request|client error|dns error/i.test(text)) {
    return "the npm registry does not answer";
  }
  const status = /\b(?:Bad response|status code|HTTP status)\D{0,40}(\d{3})\b/i.exec(text)?.[1];
  return status === undefined
    ? "the npm registry does not give it"
    : `the npm registry answers ${status}`;
}
