/**
 * Runs the JSON Schema Test Suite against ajv alone and against our validator: `deno task
 * test:schemas FOLDER`.
 *
 * FOLDER is a checkout of json-schema-org/JSON-Schema-Test-Suite, which is not part of this
 * project. It runs the required cases of both drafts, except those that need another document and
 * those in `format.json`, which expects formats to be annotations: ours are checked, as the
 * library's guide says. `--optional` adds the optional cases, `--list` names each one that differs.
 */
// deno-lint-ignore-file no-console -- a program for a terminal
import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parseExact, rounded } from "../../core/json/exact.ts";
import { loadCompiler } from "../../core/schema/validator/validator.ts";

interface Group {
  description: string;
  schema: unknown;
  tests: { description: string; data: unknown; valid: boolean }[];
}

type Judge = (schema: unknown) => (data: unknown) => boolean;

interface Figures {
  cases: number;
  wrong: number;
  refused: number;
  listed: string[];
}

const DRAFTS = [
  { folder: "draft2020-12", uri: "https://json-schema.org/draft/2020-12/schema", make: Ajv2020 },
  { folder: "draft7", uri: "http://json-schema.org/draft-07/schema#", make: Ajv },
] as const;

const LEFT_OUT = ["format.json", "refRemote.json"];

/** A host that serves the suite's own remote documents. */
const REMOTE = /localhost:1234/;

const [folder] = Deno.args.filter((argument) => !argument.startsWith("--"));
if (folder === undefined) {
  console.error("usage: deno task test:schemas FOLDER [--optional] [--list]");
  Deno.exit(2);
}
const compile = await loadCompiler();

function groupsOf(draft: string): { file: string; groups: Group[] }[] {
  const parts = ["", ...Deno.args.includes("--optional") ? ["optional/"] : []];
  return parts.flatMap((part) =>
    [...Deno.readDirSync(`${folder}/tests/${draft}/${part}`)]
      .filter(({ name }) => name.endsWith(".json") && !LEFT_OUT.includes(name))
      .map(({ name }) => ({
        file: part + name,
        groups: parseExact(
          Deno.readTextFileSync(`${folder}/tests/${draft}/${part}${name}`),
        ) as Group[],
      }))
  );
}

function figuresOf(draft: typeof DRAFTS[number], judge: Judge): Figures {
  const figures: Figures = { cases: 0, wrong: 0, refused: 0, listed: [] };
  for (const { file, groups } of groupsOf(draft.folder)) {
    for (const { description, schema, tests } of groups) {
      let fits: (data: unknown) => boolean;
      const where = `${draft.folder}/${file}: ${description}`;
      try {
        fits = judge(schema);
      } catch (error) {
        if (needsRemote(schema, error)) continue;
        figures.cases += tests.length;
        figures.refused += tests.length;
        figures.listed.push(`refused  ${where}: ${(error as Error).message}`);
        continue;
      }
      for (const { description: what, data, valid } of tests) {
        figures.cases++;
        if (verdictOf(fits, data) === valid) continue;
        figures.wrong++;
        figures.listed.push(`differs  ${where}: ${what}`);
      }
    }
  }
  return figures;
}

function verdictOf(fits: (data: unknown) => boolean, data: unknown): boolean | undefined {
  try {
    return fits(data);
  } catch {
    return undefined; // no verdict is never the right one
  }
}

/** What the schema names is another document of the suite. */
function needsRemote(schema: unknown, error: unknown): boolean {
  return REMOTE.test(JSON.stringify(schema)) &&
    /does not exist|not known|resolve|no schema/.test(String(error));
}

for (const draft of DRAFTS) {
  const alone: Judge = (schema) => {
    const validate = new draft.make({ strict: false, logger: false }).compile(
      rounded(schema) as object,
    );
    return (data) => validate(rounded(data));
  };
  const ours: Judge = (schema) => {
    const isOpen = typeof schema === "object" && schema !== null && !("$schema" in schema);
    const validate = compile(isOpen ? { $schema: draft.uri, ...schema } : schema);
    return (data) => validate(data).length === 0;
  };
  for (const [name, judge] of [["ajv", alone], ["ours", ours]] as const) {
    const { cases, wrong, refused, listed } = figuresOf(draft, judge);
    console.log(`${draft.folder}  ${name}: ${cases} cases, ${wrong} differ, ${refused} refused`);
    if (Deno.args.includes("--list")) { for (const line of listed) console.log(`  ${line}`); }
  }
}
