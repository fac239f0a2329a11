/** What evs is for, from the first start to the last event, as a script for any installation. */
import assert from "node:assert/strict";
import type { BareRoot, RootOptions } from "./bare_root.ts";
import { version } from "./package_names.ts";

/** Publish, a dead letter, look at it, retry it, done. `HOME` is empty. */
const MAIN_JOB = `
test -z "$(ls -A "$HOME")"
export TMPDIR="$HOME/tmp"
mkdir "$TMPDIR"
test "$(evs --version)" = "evs ${version}"
evs daemon start 2>/dev/null >"$HOME/started"
evs status | grep -q '"version":"${version}"'
evs publish users user.created '{"userId":"u1"}' >/dev/null
evs consume users --name mailer --until-empty --max-retries 0 -- sh -c 'exit 1' 2>/dev/null || test $? = 6
evs dlq list | grep -q '"subscription":"mailer"'
evs dlq retry --all >/dev/null
evs consume users --name mailer --until-empty -- cat 2>/dev/null
test -z "$(evs dlq list)"
echo '{"type":"integer"}' >"$HOME/schema.json"
evs schema register n "$HOME/schema.json" >/dev/null
evs publish t n '"no number"' 2>/dev/null || echo "refused with $?"
evs replay users --where 'payload.userId == "u1"' | wc -l
evs docs dlq retry | head -1 | grep -q .
evs docs | grep -q 'evs docs readme five minutes'
evs docs readme | grep -q 'evs tail users'
evs with -- sh -c 'evs publish a b 1 >/dev/null && evs replay a' | wc -l
evs daemon stop >/dev/null 2>&1
ls -A "$HOME" "$HOME/.cache" "$HOME/tmp"
`;

/** What it prints. A Deno on the PATH was never asked for: the package's own was found. */
const told = (home: string) =>
  `{"userId":"u1"}
refused with 4
1
1
${home}:
.cache
.local
schema.json
started
tmp

${home}/.cache:
deno

${home}/tmp:
`;

/**
 * Does the main job in a root, without a network, as root and as an ordinary user, each with an
 * empty home. `path` comes first on the PATH.
 */
export async function doMainJob(
  root: BareRoot,
  { path, ...options }: RootOptions & { path?: string } = {},
): Promise<void> {
  const first = path === undefined ? "" : `PATH="${path}:$PATH"\n`;
  for (const as of ["root", "ada"] as const) {
    const home = as === "root" ? "/root" : `/home/${as}`;
    assert.equal(await root.run(first + MAIN_JOB, { ...options, as }), told(home), as);
    await root.outside(`find "$ROOT${home}" -mindepth 1 -delete`);
  }
}
