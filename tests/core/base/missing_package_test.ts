/** What is said about a package that could not be downloaded. */
import assert from "node:assert/strict";
import { missingPackage } from "../../../core/base/missing_package.ts";

const FAILED = `Failed loading https://registry.example/p for package "p"`;

Deno.test("a registry that does not answer and one whose certificate is not trusted are told apart", () => {
  const request =
    "0: error sending request for url (https://registry.example/p): client error (Connect)";
  assert.match(
    missingPackage(`${FAILED}\n${request}: dns error`)!.message,
    /\(the npm registry does not answer\): connect to the network and type the same again$/,
  );
  assert.match(
    missingPackage(`${FAILED}\n${request}: invalid peer certificate: UnknownIssuer`)!.message,
    /\(the certificate of the npm registry is not trusted\): set DENO_TLS_CA_STORE=system, /,
  );
  assert.equal(missingPackage("something else"), undefined);
});
