/**
 * The `evs` command. Its start is on everybody's path, so what it imports statically is small: a
 * plain publish needs no more than this, everything else is loaded when it is typed.
 */

// All that plain.ts needs, named here: Deno reads and decodes the source map of each module that
// is the first to import another one (docs/adr/0006-start-up.md).
import "./commands/publisher/receipt.ts";
import "./commands/terminal/output.ts";
import "./core/base/errors.ts";
import "./core/base/thrown.ts";
import "./core/base/truncate.ts";
import "./core/client/connection.ts";
import "./core/client/endpoint.ts";
import "./core/client/http_message.ts";
import "./core/protocol/constants.ts";
import "./core/protocol/holder.ts";
import "./core/protocol/paths.ts";
import { isPlainPublish, publishPlain } from "./commands/publisher/plain.ts";
import { programFile } from "./core/base/program.ts";

async function run(argv: readonly string[]): Promise<number> {
  if (Deno.build.standalone && argv[0] === "__daemon") {
    // A compiled binary is its own daemon: core/client/launch.ts starts it with this word.
    const { serve }: typeof import("./daemon/main.ts") = await load(programFile("daemon/main.ts"));
    return await serve(argv.slice(1));
  }
  try {
    if (isPlainPublish(argv) && await publishPlain(argv)) return 0;
    if (isNameQuery(argv)) {
      const { printNames }: typeof import("./commands/completion/names.ts") = await load(
        programFile("commands/completion/names.ts"),
      );
      return await printNames(argv.slice(2));
    }
    const { main }: typeof import("./commands/main.ts") = await load(
      programFile("commands/main.ts"),
    );
    return await main(argv);
  } catch (error) {
    // Reporting an error needs nothing from npm, which may be exactly what is missing.
    const { report }: typeof import("./commands/cli/report.ts") = await load(
      programFile("commands/cli/report.ts"),
    );
    return report(argv, error);
  }
}

/** Not a literal `import()`, which Deno would read before the program starts. */
async function load<MODULE>({ href }: URL): Promise<MODULE> {
  return await import(href) as MODULE;
}

/** Shells run this at each Tab, so it skips loading the parser. */
function isNameQuery([verb, below, kind]: readonly string[]): boolean {
  return verb === "completions" && below === "names" && kind !== undefined && !kind.startsWith("-");
}

if (import.meta.main) Deno.exit(await run(Deno.args));
