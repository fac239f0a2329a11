/** Certificates that a database server's is checked against, from the file that a config names. */
import { InvalidArgumentError } from "../base/errors.ts";
import { osReason } from "../base/thrown.ts";
import { hasCertificate } from "./url.ts";

/** The certificates in a file, as text; undefined without one. */
export function readCertificates(path: string | undefined): string | undefined {
  if (!path) return undefined;
  const kind = { code: "config/invalid", hint: "postgres.ca in the config file names them" };
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (cause) {
    const what = `the certificates in ${path} cannot be read: ${osReason(cause)}`;
    throw new InvalidArgumentError(what, { ...kind, cause });
  }
  if (hasCertificate(text)) return text;
  throw new InvalidArgumentError(`there is no certificate in ${path}`, kind);
}
