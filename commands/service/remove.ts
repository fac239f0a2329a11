/** `evs service remove`: stops a service and removes what installing it made. */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { exists, ifThere } from "../../core/base/if_there.ts";
import { typedAgain } from "../../core/base/shell_quote.ts";
import { assertSubscriptionName } from "../../core/event/topic_options.ts";
import { folderOf } from "../../core/protocol/paths.ts";
import type { EvsContext } from "../cli/context.ts";
import { group, plainText, verb } from "../cli/define.ts";
import { parseAlertName } from "../alert.ts";
import { alertUnitName } from "./alert_unit.ts";
import { consumerUnitName } from "./consumer_unit.ts";
import { DAEMON_UNIT, unitFolder } from "./daemon_unit.ts";
import { SYSTEM_USER_PATH } from "./definition.ts";
import { notOurs, stateOf } from "./files.ts";
import { type ScopeFlags, scopeFlags } from "./flags.ts";
import { pathsOf, type Scope, scopeOf, SYSTEM_USER } from "./installation.ts";
import { hasSystemd, needRights, runCommandLine, systemctlWords } from "./systemd.ts";

type RemoveFlags = ScopeFlags & { force?: boolean };

const removeFlags = {
  ...scopeFlags,
  force: {
    kind: "boolean",
    brief: "Also if the unit was edited, or comes from somebody else",
    optional: true,
  },
} as const;

const daemon = verb<RemoveFlags, []>({
  brief: "Stop the daemon's service and remove its unit",
  description:
    "Stops the service, disables it and removes the files that `evs service install daemon` wrote. Data, and files that somebody edited, stay; it says which.",
  examples: [["service remove daemon", "no daemon at the next boot"]],
  parameters: { flags: removeFlags },
  needsDaemon: false,
  async run(flags) {
    const scope = scopeOf(flags);
    const { dataDir, config } = pathsOf(this, scope);
    const more = scope === "system" ? [SYSTEM_USER_PATH, config] : [];
    const left = [`the data in ${dataDir}`];
    if (scope === "system") left.push(`the user ${SYSTEM_USER}`);
    for (const unit of consumerUnits(unitFolder(scope, this.env))) {
      left.push(`${unit}, which does not run without the daemon's`);
    }
    await remove(this, { unit: DAEMON_UNIT, more, left, scope, flags });
  },
});

const consume = verb<RemoveFlags, [string]>({
  brief: "Stop a consumer's service and remove its unit",
  description:
    "Stops the service, disables it and removes the unit that `evs service install consume` wrote. The subscription keeps its position.",
  examples: [["service remove consume billing", "the consumer of the subscription billing"]],
  parameters: {
    flags: removeFlags,
    positional: {
      kind: "tuple",
      parameters: [{ parse: plainText, brief: "The subscription", placeholder: "NAME" }],
    },
  },
  needsDaemon: false,
  async run(flags, name) {
    assertSubscriptionName(name);
    const left = [`the subscription ${name}, as it is (evs subscription remove ${name})`];
    const scope = scopeOf(flags);
    await remove(this, { unit: consumerUnitName(name), more: [], left, scope, flags });
  },
});

const alert = verb<RemoveFlags, [string]>({
  brief: "Stop the service of an evs alert and remove its unit",
  description:
    "Stops the service, disables it and removes the unit that `evs service install alert` wrote. What it told stays remembered.",
  examples: [["service remove alert main", "the one without a --name"]],
  parameters: {
    flags: removeFlags,
    positional: {
      kind: "tuple",
      parameters: [{ parse: parseAlertName, brief: "Its --name", placeholder: "NAME" }],
    },
  },
  needsDaemon: false,
  async run(flags, name) {
    const scope = scopeOf(flags);
    const left = [
      `what it told, in ${
        scope === "system" ? `/var/lib/evs-alert-${name}` : "~/.local/state/evs/alert"
      }`,
    ];
    await remove(this, { unit: alertUnitName(name), more: [], left, scope, flags });
  },
});

export const route = group({
  brief: "Stop a service and remove its unit",
  routes: { daemon, consume, alert },
  defaultRoute: "daemon",
});

interface RemoveOptions {
  unit: string;
  /** Other files that installing it wrote. */
  more: readonly string[];
  /** What stays, for people. */
  left: string[];
  scope: Scope;
  flags: RemoveFlags;
}

async function remove(context: EvsContext, options: RemoveOptions): Promise<void> {
  const { unit, more, left, scope, flags } = options;
  needRights(scope);
  const path = `${unitFolder(scope, context.env)}/${unit}`;
  const state = await stateOf({ path, text: "" });
  if (state === "absent") {
    throw new EvsError(
      { code: "service/not-installed", status: 404, exit: ExitCode.NotFound },
      `${unit} is not installed: there is no ${path}`,
      { hint: scope === "user" ? typedAgain(context.argv, "--system") : undefined },
    );
  }
  if (state !== "ours" && !flags.force) {
    throw notOurs({ path, state, hint: typedAgain(context.argv, "--force") });
  }
  const systemctl = systemctlWords(scope);
  const run = (...words: string[]) =>
    runCommandLine(context, { words: [...systemctl, ...words], hint: "then type it again" });
  const runs = hasSystemd(scope, context);
  if (runs) await run("disable", "--now", unit);
  const removed = [path];
  await removeFile(context, path);
  for (const other of more) {
    const origin = await stateOf({ path: other, text: "" });
    if (origin === "ours") {
      await removeFile(context, other);
      removed.push(other);
    } else if (origin !== "absent") left.push(`${other}, which is not as it was installed`);
  }
  if (exists(`${path}.d`)) left.push(`${path}.d`);
  if (runs) await run("daemon-reload");
  if (!context.forPeople) context.printJson({ unit, removed, left });
  for (const words of left) context.say(`leaves ${words}`);
}

async function removeFile(context: EvsContext, path: string): Promise<void> {
  context.say(`removes ${path}`);
  await Deno.remove(path);
  // Made for this file alone, if nothing else is in it.
  if (folderOf(path).endsWith("/evs")) removeEmptyFolder(folderOf(path));
}

function removeEmptyFolder(folder: string): void {
  if ([...Deno.readDirSync(folder)].length === 0) Deno.removeSync(folder);
}

/** The units of consumers in a folder. */
function consumerUnits(folder: string): string[] {
  const entries = ifThere(() => [...Deno.readDirSync(folder)]) ?? [];
  return entries.map(({ name }) => name)
    .filter((name) => name.startsWith("evs-consume-") && name.endsWith(".service")).sort();
}
