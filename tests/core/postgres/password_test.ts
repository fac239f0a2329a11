/** Where the password of a database comes from, and where it is refused. */
import assert from "node:assert/strict";
import { passwordFor, passwordIn, readPublicUrl } from "../../../core/postgres/password.ts";
import { addressOf, readTarget } from "../../../core/postgres/url.ts";

const target = readTarget("postgres://app@db.example.com:5433/orders?sslmode=verify-full");

Deno.test("passwordIn takes the first line that fits host, port, database and user", () => {
  const lines = [
    "# db.example.com:5433:orders:app:comment",
    "db.example.com:5432:orders:app:port",
    "db.example.com:5433:other:app:database",
    "db.example.com:5433:orders:root:user",
    "short:line",
    "",
    "db.example.com:*:orders:app:a\\\\b\\:c:beyond",
    "*:*:*:*:later",
  ];
  assert.equal(passwordIn(lines.join("\n"), target), "a\\b:c");
  assert.equal(passwordIn(lines.slice(0, 6).join("\r\n"), target), undefined);
  assert.equal(passwordIn(lines.slice(7).join("\n"), target), "later");
});

Deno.test("passwordIn takes a Unix socket for localhost, and a host with colons that are escaped", () => {
  const socket = { ...target, host: "/run/postgresql" };
  assert.equal(passwordIn("localhost:5433:orders:app:here", socket), "here");
  assert.equal(passwordIn("\\:\\:1:*:*:*:six", { ...target, host: "::1" }), "six");
});

Deno.test("passwordFor prefers the variable to the config file, and that to the password file", async () => {
  const passfile = await Deno.makeTempFile();
  await Deno.writeTextFile(passfile, "*:*:*:*:from the file\n");
  const all = { variable: "v", configured: "c", passfile };
  assert.equal(passwordFor(target, all), "v");
  assert.equal(passwordFor(target, { ...all, variable: "" }), "c");
  assert.equal(
    passwordFor(target, { ...all, variable: undefined, configured: "" }),
    "from the file",
  );
  assert.equal(passwordFor(target, {}), undefined);
  await Deno.chmod(passfile, 0o640);
  assert.throws(() => passwordFor(target, { passfile }), {
    code: "postgres/password-file",
    message: /others may read it: chmod 600/,
  });
  await Deno.chmod(passfile, 0o600);
  await Deno.truncate(passfile, 1024 * 1024 + 1);
  assert.throws(() => passwordFor(target, { passfile }), {
    code: "postgres/password-file",
    message: /is over 1 MiB/,
  });
  await Deno.remove(passfile);
  assert.throws(() => passwordFor(target, { passfile }), { message: /is not there/ });
});

Deno.test("readPublicUrl refuses a password, wherever it is in the URL, and does not repeat it", () => {
  for (
    const url of ["postgres://app:secret@h/d", "postgres://h/d?user=app&password=secret"]
  ) {
    assert.throws(() => readPublicUrl(url), (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, "postgres/password-in-url");
      assert.doesNotMatch(`${error.message}${error.hint}${error.stack}`, /secret/);
      return true;
    });
  }
  assert.equal(readPublicUrl("postgres://app@h/d").user, "app");
});

Deno.test("addressOf is what the process may connect to", () => {
  assert.deepEqual(addressOf(target), { net: "db.example.com:5433" });
  assert.deepEqual(addressOf({ host: "::1", port: 5432 }), { net: "[::1]:5432" });
  const socket = "/run/postgresql/.s.PGSQL.5432";
  const local = { host: "/run/postgresql", port: 5432 };
  assert.deepEqual(addressOf(local), { net: `unix:${socket}`, socket });
});
