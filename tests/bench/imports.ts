/**
 * The startup cost of imports: `deno run -A tests/bench/imports.ts`. Whole processes, interleaved,
 * medians. Produces the figures in docs/adr/0001-dependencies.md.
 */
const ROUNDS = 15;
/**
 * Label to specifier. Those with a version are not dependencies of ours, but what we might have
 * taken.
 */
const IMPORTS: [label: string, specifier: string | undefined][] = [
  ["nothing", undefined],
  ["@stricli/core", "@stricli/core"],
  ["commander", "npm:commander@14.0.2"],
  ["yargs", "npm:yargs@18.0.0"],
  ["node:sqlite", "node:sqlite"],
  ["better-sqlite3 (loader only)", "npm:better-sqlite3@12.4.6"],
  ["node:http", "node:http"],
  ["node:process", "node:process"],
  ["node:crypto", "node:crypto"],
  ["ajv", "ajv/dist/2020.js"],
  ["ajv with ajv-formats", "ajv-formats"],
  ["re2js", "re2js"],
  ["@marcbachmann/cel-js", "@marcbachmann/cel-js"],
  ["@logtape/logtape", "npm:@logtape/logtape@2.4.2"],
  ["smol-toml", "smol-toml"],
];

const project = decodeURIComponent(new URL("../..", import.meta.url).pathname).replace(/\/$/, "");
const folder = await Deno.makeTempDir({ prefix: "evs-imports-" });

async function start(file: string): Promise<number> {
  const begin = performance.now();
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--quiet",
      ...(file.endsWith("peer.ts")
        ? ["--no-lock"]
        : ["--frozen", `--lock=${project}/tests/deno.lock`]),
      "--config",
      `${project}/deno.json`,
      file,
    ],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return performance.now() - begin;
}

const files = await Promise.all(IMPORTS.map(async ([, specifier], i) => {
  // What is not ours must not get into our lock file.
  const file = `${folder}/${i}${specifier?.startsWith("npm:") ? "-peer" : ""}.ts`;
  await Deno.writeTextFile(
    file,
    specifier === undefined ? "" : `import ${JSON.stringify(specifier)};\n`,
  );
  return file;
}));
for (const file of files) await start(file); // downloads, and fills Deno's caches
const times = files.map((): number[] => []);
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, file] of files.entries()) times[i]!.push(await start(file));
}
const medians = times.map((of) => of.sort((a, b) => a - b)[ROUNDS >> 1]!);
const table = IMPORTS.map(([label], i) =>
  `| ${label.padEnd(28)} | ${medians[i]!.toFixed(1).padStart(6)} | ${
    (medians[i]! - medians[0]!).toFixed(1).padStart(8)
  } |`
);
const text = `| import                       | ms     | over bare |\n| --- | ---: | ---: |\n${
  table.join("\n")
}\n`;
await Deno.stdout.write(new TextEncoder().encode(text));
await Deno.remove(folder, { recursive: true });
