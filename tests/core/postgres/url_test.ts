/** What a URL of PostgreSQL means, which are refused, and that no text has the password. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { InvalidArgumentError } from "../../../core/base/errors.ts";
import { asPostgresError } from "../../../core/postgres/errors.ts";
import { placeOf, readTarget, withoutPassword } from "../../../core/postgres/url.ts";

Deno.test("readTarget fills in what a URL leaves out", () => {
  const { connectTimeout: _, ...target } = readTarget("postgres://db.example.com");
  assert.deepEqual(target, {
    host: "db.example.com",
    port: 5432,
    user: "postgres",
    database: "postgres",
    password: undefined,
    tls: true,
    ca: undefined,
  });
  assert.equal(readTarget("postgresql://app@localhost").database, "app");
});

Deno.test("readTarget reads every part of a URL, and options override it", () => {
  const url = "postgres://u%40x:p%2Fw@[::1]:6000/d%20b?connect_timeout=3&sslmode=verify-full";
  const target = readTarget(url);
  assert.deepEqual([target.host, target.port, target.user], ["::1", 6000, "u@x"]);
  assert.deepEqual([target.password, target.database, target.tls], ["p/w", "d b", true]);
  assert.equal(target.connectTimeout, 3000);
  assert.equal(placeOf(target), "[::1]:6000/d b");
  const other = readTarget({ url, port: 7000, password: "other", host: undefined });
  assert.deepEqual([other.port, other.password, other.host], [7000, "other", "::1"]);
  const socket = readTarget("postgres:///events?host=/run/postgresql&user=app");
  assert.deepEqual([socket.host, socket.database, socket.tls], [
    "/run/postgresql",
    "events",
    false,
  ]);
});

Deno.test("readTarget asks for TLS unless the server is on this machine", () => {
  const tls = (url: string) => readTarget(url).tls;
  for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"]) {
    assert.equal(tls(`postgres://${host}/db`), false, host);
    assert.equal(tls(`postgres://${host}/db?sslmode=verify-full`), true, host);
  }
  for (const host of ["db", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com"]) {
    assert.equal(tls(`postgres://${host}/db`), true, host);
    for (const mode of ["disable", "require", "prefer", "verify-ca", ""]) {
      assert.throws(() => tls(`postgres://${host}/db?sslmode=${mode}`), InvalidArgumentError);
    }
  }
});

Deno.test("readTarget takes certificates as text, and refuses the name of their file", () => {
  const url = "postgres://db.example.com/events";
  const ca = "Subject: us\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  assert.equal(readTarget({ url, ca }).ca, ca);
  for (const wrong of ["/etc/ssl/db.pem", "", "-----BEGIN PRIVATE KEY-----", 7]) {
    assert.throws(() => readTarget({ url, ca: wrong as string }), {
      code: "postgres/no-certificate",
    });
  }
});

Deno.test("readTarget refuses what is no URL of PostgreSQL, with a code", () => {
  const wrong = [
    "",
    "localhost",
    "mysql://h/db",
    "postgres://h:99999/db",
    "postgres://h/db#x",
    "postgres://h/%zz",
    "postgres://h/db?port=x",
    "postgres://h/db?connect_timeout=-1",
    "postgres://h/db?options=-c",
    5 as unknown as string,
  ];
  for (const url of wrong) {
    assert.throws(() => readTarget({ url }), (error: unknown) => {
      assert.ok(error instanceof InvalidArgumentError, String(error));
      assert.equal(error.code, "postgres/invalid-url");
      assert.equal(error.exit, 2);
      return true;
    }, String(url));
  }
});

/** Long enough not to be part of a message by chance. */
const secret = fc.string({ minLength: 6, maxLength: 20, unit: "grapheme" })
  .map((text) => `Zq${text}`)
  .filter((text) => text.isWellFormed());

const texts = (error: unknown): string => {
  const { message, hint, stack, cause, details } = error as Error & {
    hint?: string;
    details?: unknown;
  };
  return [message, hint, stack, JSON.stringify(details), cause ? texts(cause) : ""].join("\n");
};

Deno.test("readTarget and asPostgresError keep the password out of every text", () => {
  const part = fc.string({ maxLength: 8 });
  fc.assert(fc.property(secret, part, part, part, (password, user, host, rest) => {
    const url = `postgres://${user}:${password}@${host}/${rest}`;
    const encoded = `postgres://app:${encodeURIComponent(password)}@db.example.com/events`;
    for (const text of [url, encoded, `${encoded}?sslmode=${rest}`, `${encoded}?${rest}`]) {
      try {
        const target = readTarget(text);
        assert.ok(!placeOf(target).includes(password) || host.includes(password));
      } catch (error) {
        assert.ok(!texts(error).includes(password), texts(error));
      }
    }
    const target = readTarget(encoded);
    const said = [
      { code: "28P01", message: `no: ${password}` },
      { message: `connect to ${encoded} failed` },
      { code: "ECONNREFUSED", message: `${encodeURIComponent(password)}` },
      new Error(password),
    ];
    for (const thrown of said) {
      const shown = texts(asPostgresError(thrown, target));
      assert.ok(!shown.includes(password), shown);
      assert.ok(!shown.includes(encodeURIComponent(password)), shown);
    }
  }));
});

Deno.test("withoutPassword replaces the password of a URL within a text", () => {
  assert.equal(
    withoutPassword("at postgres://app:a@b:c@host/db and postgresql://x:y@z"),
    "at postgres://app:***@host/db and postgresql://x:***@z",
  );
  assert.equal(withoutPassword("postgres://app@host/db"), "postgres://app@host/db");
});

Deno.test("asPostgresError tells what a person can do, and what goes by", () => {
  const target = readTarget("postgres://h/db");
  const codeOf = (code: string, message = "x") => asPostgresError({ code, message }, target).code;
  assert.deepEqual(["28P01", "28000", "3D000", "42501"].map((code) => codeOf(code)), [
    "postgres/authentication",
    "postgres/authentication",
    "postgres/no-database",
    "postgres/no-rights",
  ]);
  for (const code of ["57P01", "57P03", "53300", "08006", "25006", "ECONNREFUSED", "ENOTFOUND"]) {
    assert.equal(codeOf(code), "postgres/unavailable", code);
  }
  assert.equal(codeOf("53100"), "store/disk-full");
  assert.equal(codeOf("40P01"), "postgres/try-again");
  assert.equal(codeOf("XX001"), "postgres/damaged");
  assert.equal(codeOf("", "self-signed certificate"), "postgres/tls");
  assert.equal(codeOf("23505", "duplicate key"), "internal/bug");
});
