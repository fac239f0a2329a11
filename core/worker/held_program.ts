/**
 * Programs of workers, held in memory: a worker that is started late runs what was installed when
 * the process started, even if the files were replaced or removed meanwhile
 * (docs/adr/0034-held-programs.md).
 *
 * Each module becomes a blob whose imports name the blobs of other modules. Types are removed
 * first: the runtime would keep a file in its cache for each blob that it has to translate.
 */
import { InternalError } from "../base/errors.ts";

/** Reads a module. */
export type ReadModule = (module: URL) => Uint8Array;

/** Removes the types from modules; the result has as many. */
export type StripTypes = (sources: string[]) => Promise<string[]>;

/**
 * A static import or re-export of a module beside this one, as `deno fmt` and bundlers write it:
 * at the start of a line. Types are not imported when the program runs.
 */
const IMPORT = /^((?:import|export)\b(?!\s+type\b)(?:[^;"'`()=]*?\bfrom)?\s*)"(\.{1,2}\/[^"]+)"/gm;

/** The programs of one process. Modules that several programs share are held once. */
export class HeldPrograms {
  readonly #read: ReadModule;
  readonly #strip: StripTypes;
  /** By address. As bytes, which take no room in the heap. */
  readonly #sources = new Map<string, Uint8Array>();
  readonly #blobs = new Map<string, Promise<Map<string, string>>>();

  constructor({ read = Deno.readFileSync, strip = stripInWorker }: {
    read?: ReadModule;
    strip?: StripTypes;
  } = {}) {
    this.#read = read;
    this.#strip = strip;
  }

  /** Reads a program, all of it, now. */
  hold(program: URL): void {
    this.#add(program, []);
  }

  #add(module: URL, importers: readonly string[]): void {
    const { href } = module;
    if (importers.includes(href)) {
      throw new InternalError(`${href} imports itself, through ${importers.join(", ")}`);
    }
    if (this.#sources.has(href)) return;
    const source = this.#read(module);
    for (const one of importsOf(decode(source), module)) this.#add(one, [...importers, href]);
    this.#sources.set(href, source);
  }

  /**
   * Where a worker loads the program from. It has to be held. The first call takes some tenths of a
   * second.
   */
  async urlOf({ href }: URL): Promise<URL> {
    const made = this.#blobs.get(href) ?? this.#makeBlobs(href);
    this.#blobs.set(href, made);
    return new URL((await made).get(href)!);
  }

  async #makeBlobs(program: string): Promise<Map<string, string>> {
    const modules = this.#modulesOf(program);
    const codes = await this.#strip([...modules.values()]);
    const blobs = new Map<string, string>();
    [...modules.keys()].forEach((href, i) => {
      const code = codes[i]!.replace(
        IMPORT,
        (_, words: string, path: string) => `${words}"${blobs.get(new URL(path, href).href)!}"`,
      );
      const blob = new Blob([code], { type: "text/javascript" });
      blobs.set(href, URL.createObjectURL(blob));
    });
    return blobs;
  }

  /** What a program consists of: each module, with its source, after those that it imports. */
  #modulesOf(program: string): Map<string, string> {
    const found = new Map<string, string>();
    const visit = (href: string) => {
      if (found.has(href)) return;
      const bytes = this.#sources.get(href);
      if (bytes === undefined) throw new InternalError(`${href} is not held`);
      const source = decode(bytes);
      for (const imported of importsOf(source, new URL(href))) visit(imported.href);
      found.set(href, source);
    };
    visit(program);
    return found;
  }
}

function decode(source: Uint8Array): string {
  return new TextDecoder().decode(source);
}

/** The modules of ours that one imports. */
function importsOf(source: string, module: URL): URL[] {
  return Array.from(source.matchAll(IMPORT), ([, , path]) => new URL(path!, module));
}

/**
 * The runtime's own function, in a thread that ends with it: `node:module` brings with it several
 * MiB that an idle daemon should not keep.
 */
const STRIPPER = `data:text/javascript,${
  encodeURIComponent(`
import { stripTypeScriptTypes } from "node:module";
self.onmessage = ({ data }) => self.postMessage(data.map((source) => stripTypeScriptTypes(source)));
`)
}`;

async function stripInWorker(sources: string[]): Promise<string[]> {
  const worker = new Worker(STRIPPER, { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new InternalError(`types could not be removed: ${event.message}`));
      };
      worker.postMessage(sources);
    });
  } finally {
    worker.terminate();
  }
}
