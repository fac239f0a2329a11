/** The sockets of a simulated machine: when bytes arrive, in which pieces, and whether at all. */
import { osError } from "../disk/errors.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { SocketNode } from "../disk/inode.ts";
import type { NetworkBehaviour, Random } from "../types.ts";
import { type ConnectionNet, SimConnection, SimListener } from "./connection.ts";
import { currentProcess, currentThread } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

/** Connections that may wait to be accepted. */
const BACKLOG = 128;

/** What the network needs of its machine. */
export interface NetworkHost {
  files: FileSystem;
  scheduler: Scheduler;
  random: Random;
  trace(who: string, what: string): void;
  tell(who: string, what: string): void;
  count(what: string): void;
}

/** All sockets. */
export class Network implements ConnectionNet {
  readonly scheduler: Scheduler;
  readonly #host: NetworkHost;
  readonly #open = new Set<SimConnection>();
  #behaviour: Required<NetworkBehaviour> = calm();
  /** What was to arrive while nothing moves. */
  #held: (() => void)[] = [];
  #made = 0;

  constructor(host: NetworkHost) {
    this.#host = host;
    this.scheduler = host.scheduler;
  }

  /** What is not named is as at the start. */
  behave(behaviour: NetworkBehaviour): void {
    this.#behaviour = { ...calm(), ...behaviour };
    if (this.#behaviour.stalled) return;
    for (const arrive of this.#held.splice(0)) arrive();
  }

  listen({ path }: { path: string }): SimListener {
    const { files } = this.#host;
    if (files.find(path) !== undefined) {
      throw new Deno.errors.AddrInUse("Address already in use (os error 98)");
    }
    const node = files.create(path, "socket", 0o755) as SocketNode;
    const listener = new SimListener(path, this, () => {
      if (files.find(path) !== undefined) files.remove(path, { recursive: false });
    });
    node.listener = listener;
    return listener;
  }

  connect({ path }: { path: string }): Promise<SimConnection> {
    const process = currentProcess();
    const thread = currentThread();
    return new Promise((resolve, reject) => {
      const run = () => {
        try {
          resolve(this.#connect(path));
        } catch (error) {
          reject(error);
        }
      };
      this.#host.trace(process.name, `connect ${path}`);
      this.scheduler.after(0.02, { kind: "socket", thread, run });
    });
  }

  #connect(path: string): SimConnection {
    const process = currentProcess();
    const node = this.#host.files.find(path);
    if (node === undefined) throw osError("NotFound", `connect '${path}'`);
    const listener = node instanceof SocketNode ? node.listener as SimListener : undefined;
    if (listener === undefined || listener.isClosed) {
      throw new Deno.errors.ConnectionRefused("Connection refused (os error 111)");
    }
    if (listener.waiting >= BACKLOG) {
      throw new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)");
    }
    const name = `${process.name}-${listener.process.name}#${++this.#made}`;
    const near = new SimConnection(name, this, process);
    const far = new SimConnection(`${name}'`, this, undefined);
    near.peer = far;
    far.peer = near;
    this.#open.add(near).add(far);
    listener.offer(far);
    return near;
  }

  send(from: SimConnection, bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return this.#sendPiece(from, undefined);
    const { pieceBytes } = this.#behaviour;
    for (let at = 0; at < bytes.length;) {
      const left = bytes.length - at;
      const size = left <= 1 || pieceBytes >= left
        ? left
        : Math.min(left, this.#host.random.int(1, pieceBytes));
      this.#sendPiece(from, bytes.subarray(at, at + size));
      at += size;
    }
  }

  closed(connection: SimConnection): void {
    this.#open.delete(connection);
  }

  /** Cuts the connections of a process, or all; returns how many. */
  cut(process?: string): number {
    const found = this.#of(process);
    for (const connection of found) connection.cut();
    return found.length;
  }

  /** The other ends read the end of the stream. */
  halfClose(process: string): number {
    const found = this.#of(process);
    for (const connection of found) void connection.closeWrite();
    return found.length;
  }

  #of(process: string | undefined): SimConnection[] {
    return [...this.#open].filter(({ process: owner, peer, isClosed }) =>
      !isClosed && (process === undefined || owner?.name === process) && !peer.isClosed
    );
  }

  #sendPiece(from: SimConnection, piece: Uint8Array | undefined): void {
    const to = from.peer;
    to.unread += piece?.length ?? 0;
    const [low, high] = this.#behaviour.delayMs;
    const { now } = this.scheduler;
    const at = Math.max(now + low + (high - low) * this.#host.random.next(), to.lastArrival);
    to.lastArrival = at;
    const arrive = () => {
      if (this.#behaviour.stalled) return void this.#held.push(arrive);
      if (piece !== undefined && this.#host.random.chance(this.#behaviour.cutChance)) {
        this.#host.tell("network", `cuts ${from.name}`);
        this.#host.count("cut connections");
        return from.cut();
      }
      this.#host.trace(from.name, piece === undefined ? "ends" : `brings ${piece.length}`);
      to.arrived(piece);
    };
    this.scheduler.after(at - now, { kind: "socket", thread: undefined, run: arrive });
  }
}

function calm(): Required<NetworkBehaviour> {
  return { delayMs: [0, 1], pieceBytes: 65536, cutChance: 0, stalled: false };
}
