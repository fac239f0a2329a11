/**
 * The two drivers for PostgreSQL side by side, on one server: how fast, and what they do when
 * something goes wrong. Prints the table of docs/adr/0066-postgresql.md.
 *
 *     deno run -A --lock=tests/deno.lock --frozen tests/bench/postgres_drivers.ts
 */
import pg from "pg";
import postgres from "../packages/postgres.ts";
import { type PostgresServer, startPostgres, temporaryFolder } from "../helpers/postgres.ts";

/** What is measured: a driver with one connection. */
interface Driver {
  query(text: string, values: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** The codes of warnings that came. */
  notices: string[];
  close(): Promise<void>;
}

const SEPARATOR = "\x1e";
const EVENTS = 20_000;
const PAYLOAD = JSON.stringify({ order: 12345, text: 'x "quoted" '.repeat(14), list: [1, 2, 3] });
const INSERT = `INSERT INTO e SELECT $1::bigint + o - 1, i, $3, $4, p
  FROM ROWS FROM (unnest(string_to_array($2, E'\\x1e')), unnest(string_to_array($5, E'\\x1e')))
  WITH ORDINALITY AS u (i, p, o)`;
const READ =
  "SELECT seq, id, type, metadata, payload FROM e WHERE seq >= $1 ORDER BY seq LIMIT 1000";
const READ_TEXT = `SELECT string_agg(seq || ' ' || id || ' ' || type || ' ' || metadata || payload,
  E'\\n') AS lines FROM (${READ}) AS page`;

/** As we use it. */
async function openPg(url: string): Promise<Driver> {
  // deno-lint-ignore no-explicit-any -- the package has no types
  const client: any = new (pg as any).Client({ connectionString: url });
  const notices: string[] = [];
  client.on("notice", (notice: { code: string }) => notices.push(notice.code));
  client.on("error", () => {});
  await client.connect();
  const query: Driver["query"] = async (text, values) =>
    (await client.query({ text, values, name: text.slice(0, 60) })).rows;
  return { query, notices, close: () => client.end() };
}

function openPostgresJs(url: string): Promise<Driver> {
  const notices: string[] = [];
  const sql = postgres(url, { max: 1, onnotice: ({ code }) => void notices.push(code!) });
  const query: Driver["query"] = async (text, values) => [
    ...await sql.unsafe(text, values as never[], { prepare: true }),
  ];
  return Promise.resolve({ query, notices, close: () => sql.end({ timeout: 1 }) });
}

const DRIVERS = { pg: openPg, postgres: openPostgresJs };

/** Events a second, by the size of a batch, and reads. */
async function rates(driver: Driver): Promise<Record<string, number>> {
  const rate = async (count: number, work: () => Promise<unknown>) => {
    const begun = performance.now();
    await work();
    return Math.round(count / (performance.now() - begun) * 1000);
  };
  await driver.query("TRUNCATE e", []);
  const found: Record<string, number> = {};
  let seq = 1;
  for (const size of [1, 100, 1000]) {
    const ids = Array.from({ length: size }, (_, i) => `019a2b3c-4d5e-7000-8000-${1e11 + i}`);
    const payloads = Array.from(ids, () => PAYLOAD).join(SEPARATOR);
    const rounds = size === 1 ? 500 : EVENTS / size;
    found[`publish, ${size} a batch`] = await rate(rounds * size, async () => {
      for (let round = 0; round < rounds; round++, seq += size) {
        await driver.query(INSERT, [seq, ids.join(SEPARATOR), "type.x", "{}", payloads]);
      }
    });
  }
  for (const [name, text] of [["read, rows", READ], ["read, one text", READ_TEXT]] as const) {
    found[name] = await rate(EVENTS, async () => {
      for (let from = 1; from <= EVENTS; from += 1000) await driver.query(text, [from]);
    });
  }
  return found;
}

/** What it does when the server ends the connection, and on the next statement. */
async function losses(server: PostgresServer, driver: Driver): Promise<Record<string, string>> {
  const told = (work: Promise<unknown>) =>
    work.then(
      () => "answered",
      (error: { code?: string; message: string }) => error.code ?? error.message,
    );
  await driver.query("DO $$ BEGIN RAISE WARNING 'canceling wait'; END $$", []).catch(() => {});
  const sleeping = told(driver.query("SELECT pg_sleep(30)", []));
  for (let ended = ""; ended.trim() !== "t";) {
    ended = await server.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE query LIKE 'SELECT pg_sleep(30)%' AND state = 'active'`,
    );
  }
  return {
    "warning 01000 seen": String(driver.notices.includes("01000")),
    "statement whose connection the server ends": await sleeping,
    "the statement after it": await told(driver.query("SELECT 2", [])),
  };
}

/** Milliseconds to load it in a process of its own, without a permission. */
async function loading(specifier: string): Promise<string> {
  const script = `const at = performance.now(); await import("${specifier}");
    console.log(Math.round(performance.now() - at));`;
  const times: number[] = [];
  for (let n = 0; n < 5; n++) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-lock", script],
    }).output();
    times.push(Number(new TextDecoder().decode(stdout)));
  }
  return String(times.sort((a, b) => a - b)[2]);
}

await using server = await startPostgres({ dir: await temporaryFolder({ disk: true }) });
await server.sql(
  "CREATE TABLE e (seq bigint PRIMARY KEY, id text, type text, metadata text, payload text)",
);
const table = new Map<string, string[]>();
const names = Object.keys(DRIVERS) as (keyof typeof DRIVERS)[];
const drivers = await Promise.all(names.map((name) => DRIVERS[name](server.url)));
const rounds: Record<string, number>[][] = [];
// By turns, so that both meet the same load; the best of each counts.
for (let round = 0; round < 3; round++) {
  for (const [i, driver] of drivers.entries()) (rounds[i] ??= []).push(await rates(driver));
}
for (const [i, driver] of drivers.entries()) {
  const add = (row: string, value: string) =>
    (table.get(row) ?? table.set(row, []).get(row)!).push(value);
  for (const row of Object.keys(rounds[i]![0]!)) {
    add(row, String(Math.max(...rounds[i]!.map((all) => all[row]!))));
  }
  for (const [row, value] of Object.entries(await losses(server, driver))) add(row, value);
  add(
    "milliseconds to load",
    await loading(names[i] === "pg" ? "npm:pg@8.23.1" : "npm:postgres@3.4.9"),
  );
  await driver.close().catch(() => {});
}
const lines = [
  ["", ...names],
  ["---", ...names.map(() => "---")],
  ...[...table].map((row) => row.flat()),
];
await Deno.stdout.write(
  new TextEncoder().encode(lines.map((row) => `| ${row.join(" | ")} |\n`).join("")),
);
