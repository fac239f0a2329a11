/**
 * Keeps the daemon reachable if its socket file disappears while it runs: somebody removed it, or a
 * runtime folder vanished at logout. Watching the folder would wake the daemon for everything that
 * happens in it. Instead, a client that does not find the socket sends SIGHUP
 * (core/client/daemon_process.ts), and only then does the daemon check.
 */
import { type Holder, socketLockFile } from "../core/protocol/holder.ts";
import { announce } from "./announcement.ts";
import { type HeldLock, lockSocket } from "./lock.ts";
import type { Log } from "./log.ts";
import { freeSocketPath, identityAt, prepareSocketFolder } from "./socket.ts";
import { giveToGroup, type SocketGroup } from "./socket_group.ts";

/** The options of a keeper. */
export interface SocketKeeperOptions {
  holder: Holder;
  log: Log;
  /** Who besides the owner may use it. */
  group: SocketGroup | undefined;
}

/** The daemon's socket: its lock, its file and its announcement. */
export class SocketKeeper {
  readonly #options: SocketKeeperOptions;
  #lock: HeldLock | undefined;
  #lockFile: string | undefined;
  #file: string | undefined;
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(options: SocketKeeperOptions) {
    this.#options = options;
  }

  /** The path at which it listens. */
  get socket(): string {
    return this.#options.holder.socket;
  }

  /** Locks the socket's path, frees it, and announces who will listen there. */
  async take(): Promise<void> {
    const { socket } = this;
    const { group } = this.#options;
    prepareSocketFolder(socket, group);
    if (this.#lock === undefined || identityAt(socketLockFile(socket)) !== this.#lockFile) {
      const lock = lockSocket(socket);
      this.#lock?.release();
      this.#lock = lock;
      this.#lockFile = identityAt(socketLockFile(socket));
    }
    // Now it shows whether the socket can be given to the group, before anybody can connect.
    if (group !== undefined) giveToGroup(socketLockFile(socket), group);
    await freeSocketPath(socket);
    this.#announce();
  }

  /** The daemon is listening now: what is at the path is ours. */
  listening(): void {
    this.#file = identityAt(this.socket);
  }

  /** Recreates the socket if it is gone. `listen` listens at `socket`, which is free then. */
  lookAfter(listen: () => void): Promise<void> {
    return this.#looking ??= this.#lookAfter(listen).finally(() => this.#looking = undefined);
  }

  /** The daemon is stopping: a socket that is gone stays gone. */
  stop(): void {
    this.#closed = true;
  }

  /** Releases the path; the data dir has its own lock. */
  release(): void {
    this.#lock?.release();
  }

  async #lookAfter(listen: () => void): Promise<void> {
    const { log, holder: { socket } } = this.#options;
    if (this.#closed || (this.#file !== undefined && identityAt(socket) === this.#file)) return;
    try {
      await this.take();
      // It may have started to stop meanwhile: then nobody should find it.
      if (this.#closed) return;
      listen();
      this.listening();
      log.logger.warning("the socket was gone and was made anew", { socket });
    } catch (error) {
      log.logger.error("the socket is gone and could not be made anew", { socket, error });
    }
  }

  /** A full disk must not keep the daemon from serving. */
  #announce(): void {
    try {
      announce(this.#options.holder);
    } catch (error) {
      this.#options.log.logger.warning(
        "cannot write down where the daemon answers: it is found by its environment only",
        { error },
      );
    }
  }
}
