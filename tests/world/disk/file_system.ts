/**
 * The file system of a simulated machine: paths and names. The bytes are in inode.ts, databases are
 * real files (databases.ts), and what processes call is in tests/world/engine/file_calls.ts.
 */
import type { Random } from "../types.ts";
import { type DatabaseFiles, isDatabase } from "./databases.ts";
import { codeError, osError } from "./errors.ts";
import { FileNode, FolderNode, type Inode, SocketNode } from "./inode.ts";

/** What files are stamped with. */
export interface FileSystemHost {
  wallClock(): number;
}

/** The names of a machine's files. Paths are absolute. */
export class FileSystem {
  readonly root: FolderNode;
  readonly databases: DatabaseFiles;
  readonly #host: FileSystemHost;
  #numbers = 1;

  constructor(host: FileSystemHost, databases: DatabaseFiles) {
    this.#host = host;
    this.databases = databases;
    this.root = new FolderNode(this.#numbers++, 0o755, host.wallClock());
  }

  /** What is at a path; undefined: nothing. Throws `NotADirectory` below a file. */
  find(path: string): Inode | undefined {
    let node: Inode | undefined = this.root;
    for (const name of partsOf(path)) {
      if (node === undefined) return undefined;
      if (!(node instanceof FolderNode)) throw osError("NotADirectory", path);
      node = node.entries.get(name);
    }
    return node;
  }

  /** The folder in which a path is, which must be there. */
  parent(path: string): { folder: FolderNode; name: string } {
    const parts = partsOf(path);
    const name = parts.pop()!;
    const folder = this.find(`/${parts.join("/")}`);
    if (folder === undefined) throw osError("NotFound", path);
    if (!(folder instanceof FolderNode)) throw osError("NotADirectory", path);
    return { folder, name };
  }

  folder(path: string): FolderNode {
    const node = this.find(path);
    if (node === undefined) throw osError("NotFound", path);
    if (!(node instanceof FolderNode)) throw osError("NotADirectory", path);
    return node;
  }

  create(path: string, kind: "file" | "socket", mode: number): FileNode | SocketNode {
    const { folder, name } = this.parent(path);
    const Kind = kind === "file" ? FileNode : SocketNode;
    const node = new Kind(this.#numbers++, mode, this.#host.wallClock());
    this.#set(folder, name, node);
    return node;
  }

  makeFolder(path: string, { recursive, mode }: { recursive: boolean; mode: number }): void {
    const there = this.find(path);
    if (there !== undefined) {
      if (recursive && there instanceof FolderNode) return;
      throw osError("AlreadyExists", `mkdir '${path}'`);
    }
    const above = path.slice(0, path.lastIndexOf("/"));
    if (recursive && above !== "" && this.find(above) === undefined) {
      this.makeFolder(above, { recursive, mode });
    }
    const { folder, name } = this.parent(path);
    this.#set(folder, name, new FolderNode(this.#numbers++, mode, this.#host.wallClock()));
    this.databases.madeFolder(path);
  }

  rename(from: string, to: string): void {
    const { folder: source, name: old } = this.parent(from);
    const { folder: target, name } = this.parent(to);
    const node = source.entries.get(old);
    if (node === undefined) throw osError("NotFound", `rename '${from}' -> '${to}'`);
    const replaced = target.entries.get(name);
    if (replaced === node) return;
    if (replaced instanceof FolderNode) {
      if (replaced.entries.size > 0) throw codeError("ENOTEMPTY", `rename '${from}' -> '${to}'`);
    }
    const gained = { name, before: replaced, after: node };
    const lost = { name: old, before: node, after: undefined };
    if (source === target) source.change({ names: [gained, lost] });
    else {
      const change = { names: [gained] };
      const removal = { names: [lost] };
      target.change({
        ...change,
        other: { folder: source, change: removal },
      });
      source.change(removal);
    }
    if (node instanceof FolderNode) this.databases.renamed(from, to);
  }

  remove(path: string, { recursive }: { recursive: boolean }): void {
    const { folder, name } = this.parent(path);
    const node = folder.entries.get(name);
    if (node === undefined) throw osError("NotFound", `remove '${path}'`);
    if (node instanceof FolderNode) {
      const inside = [...node.entries.keys(), ...this.databases.list(path)];
      if (inside.length > 0 && !recursive) throw codeError("ENOTEMPTY", `remove '${path}'`);
      for (const one of inside) {
        const below = `${path}/${one}`;
        if (isDatabase(below)) this.databases.remove(below);
        else this.remove(below, { recursive });
      }
      this.databases.removedFolder(path);
    }
    folder.change({ names: [{ name, before: node, after: undefined }] });
  }

  /** Files below a folder, with databases, in the order of their names. */
  *files(path: string): Generator<string> {
    const node = this.find(path);
    if (!(node instanceof FolderNode)) return;
    const names = new Set([...node.entries.keys(), ...this.databases.list(path)]);
    for (const name of [...names].toSorted()) {
      const below = path === "/" ? `/${name}` : `${path}/${name}`;
      const entry = node.entries.get(name);
      if (entry instanceof FolderNode) yield* this.files(below);
      else if (entry === undefined || entry instanceof FileNode) yield below;
    }
  }

  sizeOf(path: string): number {
    if (isDatabase(path)) return this.databases.stat(path).size;
    const node = this.find(path);
    return node instanceof FileNode ? node.length : 0;
  }

  /** Lets everything be lost that the power cut takes. */
  cutPower(random: Random): void {
    // From the root down, with what is there now: what is lost with its folder needs no look.
    const visit = (folder: FolderNode) => {
      folder.cutPower(random);
      for (const node of folder.entries.values()) {
        if (node instanceof FolderNode) visit(node);
        else if (node instanceof FileNode) node.cutPower(random);
      }
    };
    visit(this.root);
    this.databases.cutPower(random);
  }

  #set(folder: FolderNode, name: string, node: Inode): void {
    folder.change({ names: [{ name, before: folder.entries.get(name), after: node }] });
  }
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}
