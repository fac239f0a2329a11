/** Certificates for servers of tests, made by openssl. */
import assert from "node:assert/strict";

/** A certificate for these names that vouches for itself, and its key. */
export async function certificate(names: string): Promise<{ cert: string; key: string }> {
  const dir = await Deno.makeTempDir();
  const files = ["-keyout", `${dir}/key`, "-out", `${dir}/cert`];
  const name = ["-subj", "/CN=evs", "-addext", `subjectAltName=${names}`];
  const kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
  const { success } = await new Deno.Command("openssl", {
    args: ["req", ...kind, ...files, ...name],
    stderr: "null",
  }).output();
  assert.ok(success, "openssl makes a certificate");
  const [cert, key] = await Promise.all(
    ["cert", "key"].map((file) => Deno.readTextFile(`${dir}/${file}`)),
  );
  await Deno.remove(dir, { recursive: true });
  return { cert: cert!, key: key! };
}
