/** The services that can be installed: their units, and the files that go with them. */
import { assertSubscriptionName, assertTopicPattern } from "../../core/event/topic_options.ts";
import { parseDurability } from "../../core/event/durability.ts";
import { defined } from "../../core/base/defined.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { exists } from "../../core/base/if_there.ts";
import { shellQuote } from "../../core/base/shell_quote.ts";
import { attempt } from "../../core/base/thrown.ts";
import type { DatabaseAccess } from "../../core/client/launch.ts";
import { PASSWORD_VARIABLE } from "../../core/protocol/database_url.ts";
import { LONGEST_CONFIG, textIfThere } from "../cli/config_table.ts";
import type { EvsContext } from "../cli/context.ts";
import { type AlertFlags, assertAlertCommand, limitsOf } from "../alert.ts";
import type { ConsumeFlags } from "../consume.ts";
import { databaseAccess } from "../daemon/database.ts";
import { alertUnit, alertUnitName, alertWords } from "./alert_unit.ts";
import { consumerUnit, consumerUnitName, consumeWords } from "./consumer_unit.ts";
import {
  DAEMON_UNIT,
  daemonUnit,
  daemonWords,
  SYSTEM_CONFIG,
  SYSTEM_USER_FILE,
  unitFolder,
} from "./daemon_unit.ts";
import type { ServiceFile } from "./files.ts";
import type { DaemonFlags, RunAsFlags, ScopeFlags } from "./flags.ts";
import { type Installation, installation, placeVariables } from "./installation.ts";
import type { LaunchdJob } from "./launchd.ts";
import { stamped } from "./stamp.ts";

/** One service. */
export interface ServiceDefinition {
  place: Installation;
  /** The name of its unit. */
  unit: string;
  /** The unit comes first. */
  files: readonly ServiceFile[];
  /** The same for macOS. */
  launchd: LaunchdJob;
}

/** Where systemd looks for the users that services need. */
export const SYSTEM_USER_PATH = "/etc/sysusers.d/evs.conf";

/** The daemon as a service. */
export async function daemonService(
  context: EvsContext,
  flags: ScopeFlags & DaemonFlags,
): Promise<ServiceDefinition> {
  if (flags.durability !== undefined) parseDurability(flags.durability);
  const place = installation(context, flags);
  const { scope, paths, runtime } = place;
  const access = await accessOf(context, { place, store: flags.store });
  const unit = {
    path: `${unitFolder(scope, context.env)}/${DAEMON_UNIT}`,
    text: await stamped(daemonUnit(place, flags, access)),
  };
  return {
    place,
    unit: DAEMON_UNIT,
    files: scope === "user" ? [unit] : [
      unit,
      { path: SYSTEM_USER_PATH, text: await stamped(SYSTEM_USER_FILE) },
      { path: paths.config, text: await stamped(SYSTEM_CONFIG), isKept: true },
    ],
    launchd: {
      label: "evs",
      words: daemonWords(place, flags),
      variables: {
        ...placeVariables(paths),
        ...runtime,
        ...defined({ PGPASSFILE: access?.passfile }),
      },
      folder: "/",
    },
  };
}

/** The database of the daemon, as its flags or the config file name it. */
async function accessOf(
  context: EvsContext,
  { place: { paths: { config } }, store }: { place: Installation; store: string | undefined },
): Promise<DatabaseAccess | undefined> {
  const isThere = attempt(() => exists(config)) ?? true;
  if (store === undefined && isThere && textIfThere(config, LONGEST_CONFIG) === undefined) {
    context.say(`${config} cannot be read: if it names a database, the unit keeps that out`);
  }
  const access = await databaseAccess({ store, config });
  if (access !== undefined && context.env(PASSWORD_VARIABLE)) {
    context.say(
      `${PASSWORD_VARIABLE} is not in the unit, which others may read: put the password into ` +
        `[postgres] of ${config}, or into the file that PGPASSFILE names`,
    );
  }
  return access;
}

/** What was asked of a consumer. */
export interface ConsumerService {
  flags: ScopeFlags & RunAsFlags & Pick<ConsumeFlags, "name" | "untilEmpty">;
  topic: string;
  command: readonly string[];
}

/** A consumer as a service. */
export async function consumerService(
  context: EvsContext,
  request: ConsumerService,
): Promise<ServiceDefinition> {
  const { flags, topic } = request;
  assertConsumer(request);
  const place = installation(context, flags);
  const words = consumeWords(context.argv);
  const unit = consumerUnitName(flags.name);
  const text = consumerUnit(place, { subscription: flags.name, topic, words, as: flags.as });
  const { paths, runtime, caller, folder, program } = place;
  return {
    place,
    unit,
    files: [{
      path: `${unitFolder(place.scope, context.env)}/${unit}`,
      text: await stamped(text),
    }],
    launchd: {
      label: `evs.consume.${flags.name}`,
      words: [program, ...words],
      variables: { ...placeVariables(paths), ...runtime, ...caller },
      folder,
    },
  };
}

/** What was asked of an `evs alert`. */
export interface AlertService {
  flags: ScopeFlags & RunAsFlags & AlertFlags;
  command: readonly string[];
}

/** An `evs alert` as a service. */
export async function alertService(
  context: EvsContext,
  { flags, command }: AlertService,
): Promise<ServiceDefinition> {
  assertAlertCommand(command);
  limitsOf(flags);
  if (flags.once) {
    throw new InvalidArgumentError("a service goes on, and --once ends after one look", {
      hint: "leave it out; a timer or cron can run: evs alert --once …",
    });
  }
  assertRunAs(flags);
  const place = installation(context, flags);
  const { paths, runtime, caller, folder, program, scope } = place;
  const { name, as } = flags;
  const words = alertWords(context.argv);
  const state = scope === "user" ? context.env("XDG_STATE_HOME") : undefined;
  const kept = state ? { ...place, caller: { ...caller, XDG_STATE_HOME: state } } : place;
  const unit = alertUnitName(name);
  return {
    place,
    unit,
    files: [{
      path: `${unitFolder(scope, context.env)}/${unit}`,
      text: await stamped(alertUnit(kept, { name, words, as })),
    }],
    launchd: {
      label: `evs.alert.${name}`,
      words: [program, ...words],
      variables: { ...placeVariables(paths), ...runtime, ...kept.caller },
      folder,
    },
  };
}

/** What would be refused at each start is refused before it is installed. */
function assertConsumer({ flags, topic, command }: ConsumerService): void {
  assertSubscriptionName(flags.name);
  assertTopicPattern(topic);
  if (command.length === 0) {
    throw new InvalidArgumentError("no command to run for each event", {
      hint: `evs service install consume ${shellQuote(topic)} --name ${flags.name} -- COMMAND`,
    });
  }
  if (flags.untilEmpty) {
    throw new InvalidArgumentError(
      "a service goes on when there is nothing to do, and --until-empty ends then",
      { hint: "leave it out; a timer or cron can run: evs consume … --until-empty" },
    );
  }
  assertRunAs(flags);
}

function assertRunAs({ as, system }: ScopeFlags & RunAsFlags): void {
  if (as !== undefined && !system) {
    throw new InvalidArgumentError("--as is for --system: your own services run as you");
  }
  if (as !== undefined && !/^[A-Za-z_][A-Za-z0-9_.-]*\$?$/.test(as)) {
    throw new InvalidArgumentError(`--as ${JSON.stringify(as)} is not the name of a user`);
  }
}
