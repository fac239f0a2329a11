/**
 * The unit of the daemon. `evs daemon run` tells systemd when the daemon serves, so whatever is
 * ordered after it finds it (docs/adr/0033-services.md).
 */
import { defined } from "../../core/base/defined.ts";
import { folderOf, type Paths } from "../../core/protocol/paths.ts";
import type { DatabaseAccess } from "../../core/client/launch.ts";
import { type DatabaseSettings, databaseSettings } from "./database_settings.ts";
import type { DaemonFlags } from "./flags.ts";
import { type Installation, placeVariables, type Scope, SYSTEM_USER } from "./installation.ts";
import {
  assignment,
  commandLine,
  listedPath,
  type Section,
  type Setting,
  unitText,
} from "./unit_syntax.ts";

/** The name of the daemon's unit. */
export const DAEMON_UNIT = "evs.service";

/** The daemon's command line. */
export function daemonWords({ program }: Installation, flags: DaemonFlags): string[] {
  const { store, durability } = flags;
  return [
    program,
    "daemon",
    "run",
    ...(store === undefined ? [] : ["--store", store]),
    ...(durability === undefined ? [] : ["--durability", durability]),
  ];
}

/** The text of the unit. `access`: the database of the daemon, if it has one. Pure. */
export function daemonUnit(
  place: Installation,
  flags: DaemonFlags,
  access?: DatabaseAccess,
): string {
  const { scope, paths, runtime } = place;
  const isSystem = scope === "system";
  const database = databaseSettings(access);
  const { passfile } = access ?? {};
  const variables = { ...placeVariables(paths), ...runtime, ...defined({ PGPASSFILE: passfile }) };
  return unitText({
    Unit: [
      ["Description", "env-event-stream daemon"],
      ...(isSystem ? database.order : []),
      ...(access === undefined ? LIMITED_STARTS : UNLIMITED_STARTS),
    ],
    Service: [
      // Sent by evs daemon run, which is not the process that serves.
      ["Type", "notify"],
      ["NotifyAccess", "all"],
      ["ExecStart", commandLine(daemonWords(place, flags))],
      ...environmentSettings(variables),
      ...(isSystem ? systemPlaces(paths) : []),
      ["UMask", "0077"],
      ["Restart", "on-failure"],
      ["RestartSec", access === undefined ? "1s" : "5s"],
      // An invalid configuration stays invalid.
      ["RestartPreventExitStatus", "2"],
      // A data dir that needs repairs takes its time.
      ["TimeoutStartSec", "15min"],
      // evs passes the signal on, once; the daemon finishes what is in progress.
      ["KillMode", "mixed"],
      ["TimeoutStopSec", "30s"],
      ["LimitNOFILE", "65536"],
      ["MemoryHigh", "768M"],
      ["MemoryMax", "1G"],
      ["TasksMax", "256"],
      ...sandbox(place, database),
    ],
    Install: [["WantedBy", isSystem ? "multi-user.target" : "default.target"]],
  });
}

/** After ten failures within five minutes somebody should look at it. */
const LIMITED_STARTS: Section = [["StartLimitIntervalSec", "5min"], ["StartLimitBurst", "10"]];
/** A server that is away for an hour is no reason to give up: it goes on once that is back. */
const UNLIMITED_STARTS: Section = [["StartLimitIntervalSec", "0"]];

/** The settings of an environment, one on a line. */
export function environmentSettings(variables: Readonly<Record<string, string>>): Setting[] {
  return Object.entries(variables).map(([name, value]) => ["Environment", assignment(name, value)]);
}

const STATE_FOLDER = "/var/lib/";
const RUNTIME_FOLDER = "/run/";

/** Where Deno keeps compiled code for the user of a system daemon, whose home is the data dir. */
export const SYSTEM_CACHE: readonly Setting[] = [
  ["CacheDirectory", "evs"],
  ["Environment", assignment("XDG_CACHE_HOME", "/var/cache/evs")],
];

/** The user of a system daemon, and its folders. */
function systemPlaces({ dataDir, socket }: Paths): Section {
  const folder = folderOf(socket);
  const state = nameBelow(STATE_FOLDER, dataDir);
  const run = nameBelow(RUNTIME_FOLDER, folder);
  return [
    ["User", SYSTEM_USER],
    ["Group", SYSTEM_USER],
    ...SYSTEM_CACHE,
    // For spool.folder in the config; missing unless somebody made it.
    ["ReadWritePaths", "-/var/spool/evs"],
    ...(state === undefined ? [writable(dataDir)] : [
      ["StateDirectory", state],
      ["StateDirectoryMode", "0700"],
    ] as Setting[]),
    ...(run === undefined ? [folder === dataDir ? undefined : writable(folder)] : [
      ["RuntimeDirectory", run],
      ["RuntimeDirectoryMode", "0750"],
    ] as Setting[]),
  ];
}

function writable(path: string): Setting {
  return ["ReadWritePaths", listedPath(path)];
}

/** Folders of a system daemon that systemd does not create. */
export function foldersToMake({ dataDir, socket }: Paths): string[] {
  const folder = folderOf(socket);
  return [
    ...(nameBelow(STATE_FOLDER, dataDir) === undefined ? [dataDir] : []),
    ...(nameBelow(RUNTIME_FOLDER, folder) === undefined && folder !== dataDir ? [folder] : []),
  ];
}

/** A plain name just below a folder; undefined for anything else. */
function nameBelow(parent: string, path: string): string | undefined {
  const name = path.startsWith(parent) ? path.slice(parent.length) : "";
  return /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name) ? name : undefined;
}

/** What any service manager can take away, with or without privileges. */
const COMMON: readonly Setting[] = [
  ["NoNewPrivileges", "yes"],
  ["SystemCallFilter", "@system-service"],
  ["SystemCallErrorNumber", "EPERM"],
  ["SystemCallArchitectures", "native"],
  ["LockPersonality", "yes"],
  ["RestrictRealtime", "yes"],
  ["RestrictSUIDSGID", "yes"],
  ["RestrictNamespaces", "yes"],
];

/** What needs the privileges of the machine's service manager. */
const SYSTEM: readonly Setting[] = [
  ["PrivateDevices", "yes"],
  ["DevicePolicy", "closed"],
  ["CapabilityBoundingSet", ""],
  ["AmbientCapabilities", ""],
  ["ProtectSystem", "strict"],
  ["ProtectProc", "invisible"],
  ["ProtectKernelTunables", "yes"],
  ["ProtectKernelModules", "yes"],
  ["ProtectKernelLogs", "yes"],
  ["ProtectControlGroups", "yes"],
  ["ProtectClock", "yes"],
  ["ProtectHostname", "yes"],
  ["RemoveIPC", "yes"],
  ["KeyringMode", "private"],
];

/**
 * What the daemon has no use for. Not among it: `MemoryDenyWriteExecute`, because the runtime
 * compiles JavaScript, and `PrivateUsers`, in which the group of the socket would not exist.
 */
function sandbox(place: Installation, database: DatabaseSettings): Section {
  const { scope, program, paths, runtime, home, runtimeFolder } = place;
  const { dataDir, socket, config } = paths;
  const needed = [
    program,
    ...Object.values(runtime),
    dataDir,
    socket,
    config,
    ...database.files,
  ];
  const families: Setting = ["RestrictAddressFamilies", database.families];
  const isBelow = (...folders: string[]) =>
    needed.some((path) => folders.some((folder) => path.startsWith(`${folder}/`)));
  if (scope === "system") {
    return [
      families,
      ...COMMON,
      ...networkSettings(database),
      ...SYSTEM,
      ["ProtectHome", isBelow("/home", "/root", "/run/user") ? "read-only" : "yes"],
      isBelow("/tmp", "/var/tmp") ? undefined : ["PrivateTmp", "yes"],
    ];
  }
  // A user's manager makes these with a user namespace, in which root's folders seem to be
  // nobody's: the daemon would refuse a socket in /tmp itself.
  const isOwn = [home, runtimeFolder, dataDir].some((folder) =>
    folder !== undefined && socket.startsWith(`${folder}/`)
  );
  return [
    families,
    ...COMMON,
    isOwn ? ["ProtectSystem", "full"] : undefined,
    isOwn && !database.usesNetwork ? ["PrivateNetwork", "yes"] : undefined,
  ];
}

/** What a system daemon reaches: nothing, the one server, or what its name leads to. */
function networkSettings({ usesNetwork, addresses }: DatabaseSettings): Section {
  const denied: Setting = ["IPAddressDeny", "any"];
  if (!usesNetwork) return [["PrivateNetwork", "yes"], denied];
  return addresses === undefined ? [] : [denied, ["IPAddressAllow", addresses]];
}

/** The file from which systemd makes the user of a system daemon. */
export const SYSTEM_USER_FILE =
  `# The user of the evs daemon, and the group that may use its socket.
u ${SYSTEM_USER} - "env-event-stream daemon" /var/lib/evs
`;

/** The configuration of a system daemon that has none yet. */
export const SYSTEM_CONFIG = `# Members of this group may use the daemon.
socket_group = "${SYSTEM_USER}"
`;

/** Where units of a scope are kept. */
export function unitFolder(scope: Scope, env: (name: string) => string | undefined): string {
  if (scope === "system") return "/etc/systemd/system";
  const config = env("XDG_CONFIG_HOME") || `${env("HOME") || ""}/.config`;
  return `${config}/systemd/user`;
}
