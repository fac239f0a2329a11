/** `evs service install`: writes a unit, and starts it. */
import { ConflictError, InvalidArgumentError } from "../../core/base/errors.ts";
import { typedAgain } from "../../core/base/shell_quote.ts";
import { exists, ifThere, lstat } from "../../core/base/if_there.ts";
import { holding } from "../../core/client/daemon_process.ts";
import { folderOf } from "../../core/protocol/paths.ts";
import type { EvsContext } from "../cli/context.ts";
import { group, verb } from "../cli/define.ts";
import { type AlertFlags, alertParameters } from "../alert.ts";
import { assertTopicBefore, type ConsumeFlags, consumeParameters } from "../consume.ts";
import {
  alertService,
  consumerService,
  daemonService,
  type ServiceDefinition,
  SYSTEM_USER_PATH,
} from "./definition.ts";
import { DAEMON_UNIT, foldersToMake } from "./daemon_unit.ts";
import { notOurs, type ServiceFile, stateOf, writeServiceFile } from "./files.ts";
import {
  type DaemonFlags,
  daemonFlags,
  type InstallFlags,
  installFlags,
  runAlertAsFlags,
  type RunAsFlags,
  runAsFlags,
} from "./flags.ts";
import { type Installation, scopeOf, SYSTEM_USER } from "./installation.ts";
import { needRights, needSystemd, runCommandLine, systemctlWords } from "./systemd.ts";

const daemon = verb<InstallFlags & DaemonFlags, []>({
  brief: "Run the daemon as a service",
  description:
    "Writes a unit for systemd, enables and starts it: the daemon serves when this returns, and again after each login or boot. With --system it runs as its own user, evs, keeps its data in /var/lib/evs, and members of the group evs may use it. A unit that somebody edited is left alone unless --force is given. `evs service print` shows what would be written.",
  examples: [
    ["service install daemon", "your own daemon, whenever you are logged in"],
    ["service install daemon --system", "one daemon for the machine, from boot on"],
  ],
  parameters: { flags: { ...daemonFlags, ...installFlags } },
  needsDaemon: false,
  async run(flags) {
    checkPlace(this, flags);
    const service = await daemonService(this, flags);
    if (flags.start !== false) assertNoOther(service.place);
    await install(this, { service, flags });
  },
});

const consume = verb<InstallFlags & RunAsFlags & ConsumeFlags, [string, ...string[]]>({
  brief: "Run a consumer as a service",
  description:
    "Writes a unit for systemd with exactly this command line, in this folder and with this PATH, enables and starts it. The consumer runs whenever the daemon's service does, and is started again whenever it ends. It takes the flags of `evs consume`; --no-resume is added, so that a restart lifts no pause. With --system it runs as the user evs, or as another one with --as.",
  examples: [
    ["service install consume orders --name billing -- ./charge.sh", "a consumer that comes back"],
  ],
  usage: ["TOPIC --name NAME [--system [--as USER]] [--force] [--no-start] … -- COMMAND…"],
  parameters: {
    flags: { ...consumeParameters.flags, ...installFlags, ...runAsFlags },
    positional: consumeParameters.positional,
  },
  needsDaemon: false,
  async run(flags, topic, ...command) {
    assertTopicBefore(this.argv, { name: flags.name, command });
    const service = await consumerService(this, { flags, topic, command });
    checkPlace(this, flags);
    assertDaemonUnit(service);
    await install(this, { service, flags });
  },
});

const alert = verb<InstallFlags & RunAsFlags & AlertFlags, string[]>({
  brief: "Run an evs alert as a service",
  description:
    "Writes a unit for systemd with exactly this command line, in this folder and with this PATH, enables and starts it. It runs from boot (with --system) or login on, whether the daemon does or not, and is started again whenever it ends. It takes the flags of `evs alert`. With --system it runs as the user evs, or as another one with --as.",
  examples: [
    [
      "service install alert --dlq '>0' --disk '<10%' -- ./tell.sh",
      "told of dead letters and a disk that fills",
    ],
  ],
  usage: [
    "[--dlq '>N'] … [--name NAME] [--system [--as USER]] [--force] [--no-start] -- COMMAND…",
  ],
  parameters: {
    flags: { ...alertParameters.flags, ...installFlags, ...runAlertAsFlags },
    positional: alertParameters.positional,
  },
  needsDaemon: false,
  async run(flags, ...command) {
    const service = await alertService(this, { flags, command });
    checkPlace(this, flags);
    await install(this, { service, flags });
  },
});

export const route = group({
  brief: "Write a unit and start it",
  routes: { daemon, consume, alert },
  defaultRoute: "daemon",
});

function checkPlace(context: EvsContext, flags: InstallFlags): void {
  const scope = scopeOf(flags);
  needRights(scope);
  if (flags.start !== false) needSystemd(scope, context);
}

interface InstallOptions {
  service: ServiceDefinition;
  flags: InstallFlags;
}

async function install(context: EvsContext, { service, flags }: InstallOptions): Promise<void> {
  const { unit, place } = service;
  if (unit === DAEMON_UNIT && place.scope === "system" && flags.start !== false) {
    assertFolders(place);
  }
  const closed = place.scope === "system" ? closedToOthers(place) : undefined;
  if (closed !== undefined) {
    if (flags.start !== false) throw closed;
    context.say(`${closed.message}: ${closed.hint}`);
  }
  const written = await writeFiles(context, { service, flags });
  const started = flags.start !== false;
  if (started) {
    await start(context, { service, isChanged: written.includes(service.files[0]!.path) });
  }
  if (!context.forPeople) {
    context.printJson({ unit, written, files: service.files.map(({ path }) => path), started });
  }
  if (started) context.say(`${unit} runs`);
  if (started && place.scope === "user" && !lingers(context)) {
    context.say("it runs while you are logged in; from boot on after: loginctl enable-linger");
  }
}

/** Writes what is not there yet. All files are looked at before the first one is written. */
async function writeFiles(
  context: EvsContext,
  { service, flags }: InstallOptions,
): Promise<string[]> {
  const toWrite: ServiceFile[] = [];
  for (const file of service.files) {
    const state = await stateOf(file);
    if (state === "same" || (file.isKept && state !== "absent")) {
      context.say(`keeps ${file.path}${file.isKept ? lacking(file) : ""}`);
      continue;
    }
    if ((state === "edited" || state === "foreign") && !flags.force) {
      throw notOurs({ path: file.path, state, hint: typedAgain(context.argv, "--force") });
    }
    toWrite.push(file);
  }
  for (const file of toWrite) {
    context.say(`writes ${file.path}`);
    await writeServiceFile(file);
  }
  return toWrite.map(({ path }) => path);
}

/** A warning if a configuration that is kept does not name the group of the system daemon. */
function lacking({ path, text }: ServiceFile): string {
  const names = (source: string) => /^\s*socket_group\s*=/m.test(source);
  return !names(text) || names(ifThere(() => Deno.readTextFileSync(path)) ?? "")
    ? ""
    : `, which names no socket_group: only ${SYSTEM_USER} and root can use the daemon`;
}

async function start(
  context: EvsContext,
  { service, isChanged }: { service: ServiceDefinition; isChanged: boolean },
): Promise<void> {
  const { unit, place: { scope }, files } = service;
  const systemctl = systemctlWords(scope);
  const user = scope === "user" ? ["--user"] : [];
  const log = ["journalctl", ...user, "-u", unit, "-n", "20"].join(" ");
  const run = (words: string[], hint: string) => runCommandLine(context, { words, hint });
  if (files.some(({ path }) => path === SYSTEM_USER_PATH)) {
    await run(["systemd-sysusers", SYSTEM_USER_PATH], `the files are written; then: ${log}`);
  }
  const again = "the files are written; once systemd answers, type it again";
  await run([...systemctl, "daemon-reload"], again);
  await run([...systemctl, "enable", unit], again);
  await run([...systemctl, isChanged ? "restart" : "start", unit], log);
}

/** A daemon that was started by hand holds the data dir that the service needs. */
function assertNoOther({ paths }: Installation): void {
  const held = holding({ ...paths, chosen: "data-dir" });
  if (held === undefined || held.holder?.foreground) return;
  throw new ConflictError(
    `a daemon that no service manager started runs on ${paths.dataDir}; nothing was changed`,
    { code: "service/daemon-runs", hint: "evs daemon stop, then type it again" },
  );
}

/** Without the daemon's unit, systemd would refuse to start the consumer. */
function assertDaemonUnit({ place: { scope }, files }: ServiceDefinition): void {
  const folders = [
    folderOf(files[0]!.path),
    ...["/etc", "/run", "/usr/lib", "/lib"].map((top) => `${top}/systemd/${scope}`),
  ];
  if (folders.some((folder) => exists(`${folder}/${DAEMON_UNIT}`))) return;
  throw new ConflictError(`the daemon is no service yet: ${DAEMON_UNIT} is not installed`, {
    code: "service/no-daemon",
    hint: scope === "system" ? "evs service install daemon --system" : "evs service install daemon",
  });
}

const OTHERS_EXECUTE = 0o001;

/** The user of a system daemon is nobody's friend: it can read only what everybody can. */
function closedToOthers({ program, runtime }: Installation): InvalidArgumentError | undefined {
  for (const path of [program, ...Object.values(runtime)]) {
    const closed = folders(path).find((folder) =>
      ((lstat(folder)?.mode ?? OTHERS_EXECUTE) & OTHERS_EXECUTE) === 0
    );
    if (closed === undefined) continue;
    return new InvalidArgumentError(
      `the user ${SYSTEM_USER} cannot run ${path}: ${closed} is closed to others`,
      {
        code: "service/not-readable",
        hint:
          "install evs where everybody can read it, or set EVS_DENO and DENO_DIR to places that everybody can read",
      },
    );
  }
  return undefined;
}

/** The folders around a path, from the top, and the path itself. */
function folders(path: string): string[] {
  const parts = path.split("/").slice(1);
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join("/")}`);
}

function assertFolders({ paths }: Installation): void {
  const missing = foldersToMake(paths).filter((folder) => !exists(folder));
  if (missing.length === 0) return;
  throw new InvalidArgumentError(
    `${missing.join(" and ")} must be there before the daemon starts`,
    {
      code: "service/no-folder",
      hint:
        `--no-start writes the files; then, as root: install -d -m 700 -o ${SYSTEM_USER} -g ${SYSTEM_USER} ${
          missing.join(" ")
        }`,
    },
  );
}

/** True if the user's service manager runs from boot on. */
function lingers({ env }: EvsContext): boolean {
  const name = env("USER") || env("LOGNAME");
  return name !== undefined && name !== "" && exists(`/var/lib/systemd/linger/${name}`);
}
