/**
 * The `evs` command. Its start is on everybody's path, so what it imports statically is small: a
 * plain publish needs no more than this, everything else is loaded when it is typed.
 */
import { load } from "./commands/cli/lazy.ts";
import { isPlainPublish, publishPlain } from "./commands/publisher/plain.ts";

async function run(argv: readonly string[]): Promise<number> {
  if (Deno.build.standalone && argv[0] === "__daemon") {
    // A compiled binary is its own daemon: core/client/launch.ts starts it with this word.
    const daemon = await load<{ serve(args: readonly string[]): Promise<number> }>(
      "../daemon/main.ts",
    );
    return await daemon.serve(argv.slice(1));
  }
  try {
    if (isPlainPublish(argv) && await publishPlain(argv)) return 0;
    if (isNameQuery(argv)) {
      const names = await load<typeof import("./commands/completion/names.ts")>(
        "./completion/names.ts",
      );
      return await names.printNames(argv.slice(2));
    }
    return await (await load<typeof import("./commands/main.ts")>("./main.ts")).main(argv);
  } catch (error) {
    // Reporting an error needs nothing from npm, which may be exactly what is missing.
    return (await load<typeof import("./commands/cli/report.ts")>("./cli/report.ts")).report(
      argv,
      error,
    );
  }
}

/** Shells run this at each Tab, so it skips loading the parser. */
function isNameQuery([verb, below, kind]: readonly string[]): boolean {
  return verb === "completions" && below === "names" && kind !== undefined && !kind.startsWith("-");
}

if (import.meta.main) Deno.exit(await run(Deno.args));
