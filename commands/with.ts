/** `evs with`: a private daemon for the duration of one command. */
import { ExitCode, InvalidArgumentError } from "../core/base/errors.ts";
import { type LaunchFlags, launchFlags, localStoreFlag } from "./daemon/flags.ts";
import type { EvsContext } from "./cli/context.ts";
import { plainText, verb } from "./cli/define.ts";

type WithFlags = LaunchFlags & { store?: (typeof localStoreFlag.values)[number] };

export const route = verb<WithFlags, string[]>({
  brief: "Run a command with a private daemon",
  description:
    "Starts a daemon in a temporary directory, runs COMMAND with EVS_SOCKET and EVS_DATA_DIR set for it and with this evs on its PATH, and removes everything afterwards. Exits with COMMAND's exit code (128 plus the signal's number if one killed it; 127 if there is no such command).",
  examples: [
    ["with -- sh -c 'evs publish t x 1 && evs expect t --timeout 5s'", "a smoke test"],
    ["with --store memory -- ./integration-test.sh", "without a disk"],
  ],
  usage: ["[--store sqlite|file|memory] [--durability always|os|interval:DURATION] -- COMMAND…"],
  parameters: {
    flags: { ...launchFlags, store: localStoreFlag },
    positional: {
      kind: "array",
      parameter: {
        parse: plainText,
        brief: "The command and its arguments",
        placeholder: "COMMAND",
      },
    },
  },
  needsDaemon: false,
  run: runWith,
});

async function runWith(this: EvsContext, flags: WithFlags, ...command: string[]): Promise<void> {
  if (this.places !== undefined || this.contextGiven !== undefined) {
    throw new InvalidArgumentError(
      "--socket, --data-dir, --config and --context do not go with evs with: its daemon has places of its own",
      { code: "argument/usage", hint: "evs with --help" },
    );
  }
  if (command.length === 0) {
    throw new InvalidArgumentError("no command to run", { hint: "evs with -- COMMAND" });
  }
  const { withDaemon } = await import("./daemon/private.ts");
  const ended = await withDaemon({
    command,
    flags,
    stderr: (chunk) => this.passWords(chunk),
    clock: this.clock,
    // A terminal already sends Ctrl-C to the command: forwarding it would deliver it twice.
    terminal: this.stdin.isTerminal() || this.stdout.isTerminal || this.stderr.isTerminal,
  });
  if (ended.failed !== undefined) this.say(`evs: ${ended.failed}`);
  this.exitCode = ended.exitCode;
  if (ended.exitCode !== ExitCode.Ok) this.note(`the command ended with ${ended.exitCode}`);
}
