/**
 * A current NATS server, built with Go where Go is there: Debian's is too old to sync before it
 * acknowledges, and to store batches as a whole.
 */
import { type Bench, output } from "./process.ts";

const VERSION = "v2.15.3";

/** The folder with the server's program; undefined without Go, or if it cannot be built. */
export async function currentNats(
  bench: Bench,
  say: (text: string) => void,
): Promise<string | undefined> {
  if (await output(bench, "command -v go") === undefined) {
    say("Go is not installed (apt-get install golang-go): NATS is the one that is on the PATH");
    return undefined;
  }
  const home = Deno.env.get("HOME") ?? bench.folder;
  const folder = `${Deno.env.get("XDG_CACHE_HOME") ?? `${home}/.cache`}/evs-bench/nats-${VERSION}`;
  if (await output(bench, `${folder}/nats-server --version`) !== undefined) return folder;
  say(`building nats-server ${VERSION}, once`);
  const { success, stderr } = await new Deno.Command("go", {
    args: ["install", `github.com/nats-io/nats-server/v2@${VERSION}`],
    env: { GOBIN: folder, GOFLAGS: "-mod=mod" },
    stdin: "null",
    stdout: "null",
  }).output();
  if (success) return folder;
  say(
    `it was not built, so NATS is the one that is on the PATH: ${
      new TextDecoder().decode(stderr).trim().split("\n").at(-1)
    }`,
  );
  return undefined;
}
