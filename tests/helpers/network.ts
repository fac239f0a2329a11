/**
 * Networks for tests: processes in a network namespace of their own, joined to this machine's by a
 * pair of virtual devices, between which packets can be lost. Needs root.
 */
import assert from "node:assert/strict";
import { needTools } from "./shell.ts";

/** Networks for benchmarks (RFC 2544), which no machine has for anything else. */
const FIRST = "198.18.0.0".split(".").map(Number);
const SUBNETS = 2 ** 15;
/** Nobody has it. */
const NO_DEVICE = "02:00:00:00:00:01";
/** The device within the namespace. */
const INNER = "evs0";

/** A network that is there until it is disposed of, or until this process ends. */
export class Network implements AsyncDisposable {
  /** The address of this side. */
  readonly here: string;
  /** The address of the processes within. */
  readonly there: string;
  readonly #holder: Deno.ChildProcess;
  readonly #device: string;

  private constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
    this.#device = `evs${holder.pid}`;
    const at = holder.pid % SUBNETS * 4;
    const address = (n: number) =>
      [FIRST[0]!, FIRST[1]! + (at >> 16), at >> 8 & 255, (at & 255) + n].join(".");
    this.here = address(1);
    this.there = address(2);
  }

  /** Makes one, with a process that holds it. */
  static async make(): Promise<Network> {
    needTools("ip", "nsenter", "setpriv", "unshare");
    const holder = new Deno.Command("setpriv", {
      args: ["--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"],
    }).spawn();
    const network = new Network(holder);
    await network.#unshared();
    const [device, { pid }] = [network.#device, holder];
    await run(["ip", "link", "add", device, "type", "veth"].concat([
      ...["peer", "name", INNER, "netns", String(pid)],
    ]));
    await run(["ip", "address", "add", `${network.here}/30`, "dev", device]);
    await run(["ip", "link", "set", device, "up"]);
    await network.#within(["ip", "address", "add", `${network.there}/30`, "dev", INNER]);
    await network.#within(["ip", "link", "set", INNER, "up"]);
    await network.#within(["ip", "link", "set", "lo", "up"]);
    return network;
  }

  /** Resolves when the process has left this machine's network. */
  async #unshared(): Promise<void> {
    const space = (pid: number | "self") => Deno.readLinkSync(`/proc/${pid}/ns/net`);
    while (space(this.#holder.pid) === space("self")) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** A program that runs within; its process is the program's own. */
  command(program: string, options: Deno.CommandOptions): Deno.Command {
    const args = [`--net=/proc/${this.#holder.pid}/ns/net`, program, ...options.args ?? []];
    return new Deno.Command("nsenter", { ...options, args });
  }

  async #within(command: string[]): Promise<void> {
    await run(["nsenter", `--net=/proc/${this.#holder.pid}/ns/net`, ...command]);
  }

  /**
   * From now on packets of both directions get lost, and nobody is told: they are sent to a device
   * that is not there. What is connected stays so, as far as either side knows.
   */
  async drop(): Promise<void> {
    const to = (
      address: string,
      device: string,
    ) => [
      "ip",
      "neigh",
      "replace",
      address,
      "lladdr",
      NO_DEVICE,
      "dev",
      device,
      "nud",
      "permanent",
    ];
    await run(to(this.there, this.#device));
    await this.#within(to(this.here, INNER));
  }

  /** Packets arrive again. */
  async pass(): Promise<void> {
    await run(["ip", "neigh", "del", this.there, "dev", this.#device]);
    await this.#within(["ip", "neigh", "del", this.here, "dev", INNER]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The devices go with the namespace.
    this.#holder.kill("SIGKILL");
    await this.#holder.status;
  }
}

async function run(command: string[]): Promise<void> {
  const [program, ...args] = command;
  const { success, stderr } = await new Deno.Command(program!, { args }).output();
  assert.ok(success, `${command.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
