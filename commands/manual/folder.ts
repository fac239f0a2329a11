/** Where the documentation lies: in a checkout, or in a package beside the program. */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { programFile } from "../../core/base/program.ts";

/** A file that only the documentation has. */
const MARK = "docs/cli/README.md";
/** Where a package for a whole system keeps documentation, below its prefix. */
const SHARED = "share/env-event-stream/";
/** How many folders above the program may be looked into. */
const STEPS = 6;

/**
 * The folder that has `docs`: the nearest one above the module, or `share/env-event-stream` beside
 * it. Throws if there is none.
 */
export function documentationFolder(module: string = programFile("cli.ts").href): URL {
  let above = new URL("./", module);
  for (let step = 0; step < STEPS; step++) {
    for (const folder of [above, new URL(SHARED, above)]) {
      if (isFile(new URL(MARK, folder))) return folder;
    }
    above = new URL("../", above);
  }
  throw new EvsError(
    { code: "docs/not-installed", status: 404, exit: ExitCode.NotFound },
    "the documentation is not installed beside this evs",
    { hint: "evs --help" },
  );
}

/** True if there is a file. */
export function isFile(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}
