/** The file with certificates that a config names: its text, or an error that says what names it. */
import assert from "node:assert/strict";
import { readCertificates } from "../../../core/postgres/certificates.ts";

Deno.test("readCertificates says which setting names a file that cannot be read or has none", async () => {
  const path = await Deno.makeTempFile();
  const text = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  await Deno.writeTextFile(path, text);
  assert.equal(readCertificates(path), text);
  await Deno.writeTextFile(path, "a key");
  assert.throws(() => readCertificates(path), {
    code: "config/invalid",
    message: `there is no certificate in ${path}`,
  });
  await Deno.remove(path);
  assert.throws(() => readCertificates(path), {
    code: "config/invalid",
    message: `the certificates in ${path} cannot be read: no such file or directory`,
    hint: "postgres.ca in the config file names them",
  });
  assert.equal(readCertificates(""), undefined, "the system's are used");
});
