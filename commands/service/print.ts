/** `evs service print`: shows a unit, and what installing it would do. */
import { group, verb } from "../cli/define.ts";
import type { EvsContext } from "../cli/context.ts";
import { type AlertFlags, alertParameters } from "../alert.ts";
import { assertTopicBefore, type ConsumeFlags, consumeParameters } from "../consume.ts";
import {
  alertService,
  consumerService,
  daemonService,
  type ServiceDefinition,
} from "./definition.ts";
import {
  type DaemonFlags,
  daemonFlags,
  type PrintFlags,
  printFlags,
  runAlertAsFlags,
  type RunAsFlags,
  runAsFlags,
} from "./flags.ts";
import { stateOf } from "./files.ts";
import { propertyList } from "./launchd.ts";

const daemon = verb<PrintFlags & DaemonFlags, []>({
  brief: "Print the unit of the daemon",
  description:
    "Prints the unit that `evs service install daemon` would install, and writes nothing. On stderr it lists the files that would be written.",
  examples: [
    ["service print daemon", "the unit for your own service manager"],
    ["service print daemon --system >evs.service", "the unit of a system daemon, for a package"],
  ],
  parameters: { flags: { ...daemonFlags, ...printFlags } },
  needsDaemon: false,
  async run(flags) {
    await printService(this, { service: await daemonService(this, flags), flags });
  },
});

const consume = verb<PrintFlags & RunAsFlags & ConsumeFlags, [string, ...string[]]>({
  brief: "Print the unit of a consumer",
  description:
    "Prints the unit that `evs service install consume` would install, and writes nothing. It takes the flags of `evs consume`.",
  examples: [
    ["service print consume orders --name billing -- ./charge.sh", "a unit for one consumer"],
  ],
  usage: ["TOPIC --name NAME [--system [--as USER]] [--launchd] … -- COMMAND…"],
  parameters: {
    flags: { ...consumeParameters.flags, ...printFlags, ...runAsFlags },
    positional: consumeParameters.positional,
  },
  needsDaemon: false,
  async run(flags, topic, ...command) {
    assertTopicBefore(this.argv, { name: flags.name, command });
    await printService(this, {
      service: await consumerService(this, { flags, topic, command }),
      flags,
    });
  },
});

const alert = verb<PrintFlags & RunAsFlags & AlertFlags, string[]>({
  brief: "Print the unit of an evs alert",
  description:
    "Prints the unit that `evs service install alert` would install, and writes nothing. It takes the flags of `evs alert`.",
  examples: [["service print alert --dlq '>0' -- ./tell.sh", "a unit that tells of dead letters"]],
  usage: ["[--dlq '>N'] … [--name NAME] [--system [--as USER]] [--launchd] -- COMMAND…"],
  parameters: {
    flags: { ...alertParameters.flags, ...printFlags, ...runAlertAsFlags },
    positional: alertParameters.positional,
  },
  needsDaemon: false,
  async run(flags, ...command) {
    await printService(this, { service: await alertService(this, { flags, command }), flags });
  },
});

export const route = group({
  brief: "Print a unit, and what installing it would do",
  routes: { daemon, consume, alert },
  defaultRoute: "daemon",
});

async function printService(
  context: EvsContext,
  { service, flags }: { service: ServiceDefinition; flags: PrintFlags },
): Promise<void> {
  if (flags.launchd) {
    const text = propertyList(service.launchd);
    if (context.json) context.printJson({ label: service.launchd.label, text });
    else await context.stdout.write(text);
    context.say(
      "nobody has run this on macOS yet; it belongs to ~/Library/LaunchAgents, for launchctl",
    );
    return;
  }
  const [unit] = service.files;
  if (context.json) {
    context.printJson({ unit: service.unit, path: unit!.path, text: unit!.text });
  } else await context.stdout.write(unit!.text);
  for (const file of service.files) {
    const state = await stateOf(file);
    context.say(`evs service install ${WOULD[state]} ${file.path}`);
  }
}

const WOULD = {
  absent: "would write",
  same: "would leave, as it is the same,",
  ours: "would replace",
  edited: "would not replace without --force, as it was edited,",
  foreign: "would not replace, as it is not from here,",
} as const;
