/** The config file: what readConfig accepts, and that schemas/config.schema.json agrees. */
import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "../packages/fast_check.ts";
import { parse } from "smol-toml";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { type Config, defaultConfig, loadConfig, readConfig } from "../../daemon/config.ts";

const root = new URL("../../", import.meta.url);
const schema = JSON.parse(await Deno.readTextFile(new URL("schemas/config.schema.json", root)));
const validate = new Ajv2020({ strict: true, strictTypes: false }).compile(schema);

interface Property {
  properties?: Record<string, Property>;
  default?: unknown;
}

/** `section.key` of every setting in the schema, with its default. */
function* settings(
  properties: Record<string, Property>,
  prefix = "",
): Generator<[string, unknown]> {
  for (const [name, property] of Object.entries(properties)) {
    if (property.properties) yield* settings(property.properties, `${prefix}${name}.`);
    else yield [prefix + name, property.default];
  }
}

/** A table with one setting in it. */
function table(key: string, value: unknown): Record<string, unknown> {
  const [section, name] = key.includes(".") ? key.split(".") : [undefined, key];
  return section === undefined ? { [name!]: value } : { [section]: { [name!]: value } };
}

function accepts(config: Record<string, unknown>): boolean {
  try {
    readConfig(config);
    return true;
  } catch (error) {
    assert.ok(error instanceof InvalidArgumentError, String(error));
    return false;
  }
}

Deno.test("config.schema.json has every setting, with the default that is in force", () => {
  const all: Partial<Config> = {};
  for (const [key, value] of settings(schema.properties)) {
    Object.assign(all, readConfig(table(key, value)));
  }
  assert.deepEqual(all, defaultConfig);
});

Deno.test("readConfig and config.schema.json take the same values", () => {
  const keys = [...settings(schema.properties)].map(([key]) => key);
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      ...["sqlite", "memory", "file", "always", "os", "interval:5ms", "interval:", "interval:5"],
      ...[
        "1MiB",
        "64KiB",
        "4 kb",
        "10",
        "1TiB",
        "-1MiB",
        "",
        "24h",
        "1h30m",
        "1.5s",
        "0",
        "5",
        "h",
      ],
      ...[
        "debug",
        "info",
        "warning",
        "error",
        "warn",
        0,
        3,
        4,
        512,
        4096,
        1e6,
        2.5,
        -1,
        true,
        false,
      ],
      ...[[], {}, [1]],
    ),
    fc.integer(),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.constantFrom(...keys, "stor", "log.levle"), value, (key, setting) => {
      const config = table(key, setting);
      const size = /bytes$/.test(key) && typeof setting === "string";
      // A schema cannot compare a size that is text with its limits, and TOML has no empty table of
      // a setting.
      fc.pre(!size && JSON.stringify(setting) !== "{}");
      assert.equal(accepts(config), validate(config), JSON.stringify(config));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("readConfig names the key and what it takes when a value is wrong", () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ stor: "sqlite" }, /unknown key stor/],
    [{ log: { levle: "info" } }, /unknown key log\.levle/],
    [{ store: "disk" }, /store is sqlite or file or memory, not "disk"/],
    [{ durability: "sometimes" }, /durability is always, os or interval:DURATION/],
    [{ max_event_bytes: "1B" }, /max_event_bytes is from 1024 to 268435456, not 1/],
    [{ max_event_bytes: "1 elephant" }, /max_event_bytes is a number of bytes/],
    [{ dedup_window: 5 }, /dedup_window is a string, not 5/],
    [{ auto_create_topics: "yes" }, /auto_create_topics is true or false, not "yes"/],
    [{ max_connections: 2 }, /max_connections is from 4 to 100000, not 2/],
    [{ log: { level: "loud" } }, /log\.level is debug or info or warning or error, not "loud"/],
  ];
  for (const [config, message] of cases) assert.throws(() => readConfig(config), { message });
  assert.throws(() => readConfig({ stor: "sqlite" }), (error) => {
    return error instanceof InvalidArgumentError && /store/.test(error.hint ?? "");
  });
});

Deno.test("loadConfig names file, line and column when the file is not TOML, and takes none for nothing said", async () => {
  const folder = await Deno.makeTempDir({ prefix: "evs-config-" });
  assert.deepEqual(await loadConfig(`${folder}/none.toml`), {});
  const file = `${folder}/config.toml`;
  await Deno.writeTextFile(file, 'store = "sqlite"\nlog = [\n');
  await assert.rejects(loadConfig(file), {
    code: "config/invalid",
    message: /config\.toml, line \d/,
  });
  await Deno.writeTextFile(file, "max_connections = 1\n");
  await assert.rejects(loadConfig(file), { code: "config/invalid", message: /config\.toml: max_/ });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("loadConfig refuses a password in a file that others may read, and repeats no secret", async () => {
  const file = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(file, '[postgres]\npassword = "correct-horse"\n');
  await Deno.chmod(file, 0o600);
  assert.equal((await loadConfig(file)).databasePassword, "correct-horse");
  for (const mode of [0o640, 0o604, 0o644]) {
    await Deno.chmod(file, mode);
    await assert.rejects(loadConfig(file), (error: Error & { code?: string }) => {
      assert.equal(error.code, "config/invalid");
      assert.match(error.message, /others may read it/);
      assert.doesNotMatch(`${error.message}${error.stack}`, /horse/);
      return true;
    });
  }
  await Deno.writeTextFile(file, 'store = "sqlite"\n');
  assert.equal((await loadConfig(file)).store, "sqlite", "one without a password may be open");
  await Deno.remove(file);
  const secrets: Record<string, unknown>[] = [
    { postgres: { password: 12345 } },
    { store: "postgre://evs:12345@h/d" },
  ];
  for (const config of secrets) {
    assert.throws(() => readConfig(config), (error: Error) => !/12345/.test(error.message));
  }
});

Deno.test("readConfig takes the URL of a database for the store, and no other URL", () => {
  const url = "postgres://evs@db.example.com/events";
  assert.deepEqual(readConfig({ store: url }), { store: "postgres", database: url });
  assert.deepEqual(readConfig({ store: "file" }), { store: "file", database: "" });
  assert.throws(() => readConfig({ store: "mysql://h/d" }), { message: /begins with postgres:/ });
  assert.throws(() => readConfig({ store: "postgres" }), { message: /store is sqlite or file/ });
});

Deno.test("the example in docs/configuration.md is a config file that the daemon takes", async () => {
  const page = await Deno.readTextFile(new URL("docs/configuration.md", root));
  const example = /```toml\n([^]*?)```/.exec(page)?.[1];
  const config = parse(example!) as Record<string, unknown>;
  assert.ok(validate(config), JSON.stringify(validate.errors));
  assert.ok(Object.keys(readConfig(config)).length >= 5, "it shows most settings");
});

Deno.test("readConfig refuses in words what lies deeper than any setting does", () => {
  let table: Record<string, unknown> = { a: 1 };
  for (let depth = 0; depth < 20_000; depth++) table = { a: table };
  assert.throws(() => readConfig(table), { message: "unknown key a.a.a" });
  assert.throws(() => readConfig({ log: { level: table } }), {
    message: "unknown key log.level.a",
  });
  assert.throws(() => readConfig({ store: [table] }), { message: /not an array$/ });
});
