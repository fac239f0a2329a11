/** Certificates that a database server's is checked against, from the file that a config names. */
import { InvalidArgumentError } from "../base/errors.ts";
import { osReason } from "../base/thrown.ts";

/** The certificates in a file, as text; undefined without one. */
export function readCertificates(path: string | undefined): string | undefined {
  if (!path) return undefined;
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    throw new InvalidArgumentError(
      `the certificates in ${path} cannot be read: ${osReason(cause)}`,
      { code: "config/invalid", hint: "postgres.ca in the config file names them", cause },
    );
  }
}
