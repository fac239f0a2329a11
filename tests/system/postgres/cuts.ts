/**
 * Cuts connections to PostgreSQL where a test says: before a request reaches the server, or within
 * its answer. While it is `away`, nobody gets through.
 */
import {
  type PostgresProxy,
  type ProxyLink,
  startPostgresProxy,
} from "../../helpers/postgres_proxy.ts";

/** What is cut: the first request that has this text in it, or the answer to it. */
export interface Cut {
  text: string;
  /** It is so many requests later that is cut. */
  later?: number;
  /** Bytes of the answer that still come through; absent: the request does not reach the server. */
  answered?: number;
  /** The request reaches the server when {@link Cuts.release} is called. */
  held?: boolean;
}

/** A proxy that cuts once it is told to. */
export class Cuts implements AsyncDisposable {
  readonly #proxy: PostgresProxy;
  readonly #links = new Set<ProxyLink>();
  /** Bytes of an answer that still come through. */
  readonly #left = new Map<ProxyLink, number>();
  #cut: Cut | undefined;
  /** How many requests still pass before the one that is cut; undefined: its text is to come. */
  #later: number | undefined;
  #held: { link: ProxyLink; request: Uint8Array; answer: PromiseWithResolvers<void> } | undefined;
  #away = false;
  /** How often it has cut. */
  cuts = 0;
  /** How many connections it has refused while it was away. */
  refused = 0;
  /** Stays away once it has cut. */
  awayAfterCut = false;

  constructor(url: string) {
    this.#proxy = startPostgresProxy(url, {
      toServer: (bytes, link) => this.#toServer(bytes, link),
      toClient: (bytes, link) => this.#toClient(bytes, link),
    });
  }

  /** The database through this. */
  get url(): string {
    return this.#proxy.url;
  }

  /** Cuts once. */
  cutAt(cut: Cut): void {
    this.#cut = cut;
    this.#later = undefined;
  }

  /** Lets a request through that is held, and waits for the server's answer to it. */
  async release(): Promise<void> {
    const { link, request, answer } = this.#held!;
    await link.sendLate(request);
    await answer.promise;
    this.#held = undefined;
    link.cut();
  }

  get away(): boolean {
    return this.#away;
  }

  /** Away: those that are connected are cut off, too. */
  set away(away: boolean) {
    this.#away = away;
    if (!away) return;
    for (const link of this.#links) link.cut();
    this.#links.clear();
  }

  #toServer(bytes: Uint8Array, link: ProxyLink): Uint8Array | undefined {
    this.#links.add(link);
    if (this.#away) {
      this.refused++;
      return void link.cut();
    }
    if (!this.#isReached(bytes)) return bytes;
    const { held, answered } = this.#cut!;
    this.#cut = undefined;
    if (answered !== undefined) {
      this.#left.set(link, answered);
      return bytes;
    }
    if (!held) return void this.#cutOff(link);
    this.cuts++;
    this.#held = { link, request: bytes, answer: Promise.withResolvers() };
    link.cutClient();
  }

  #toClient(bytes: Uint8Array, link: ProxyLink): Uint8Array | undefined {
    if (link === this.#held?.link) return void this.#held.answer.resolve();
    const left = this.#left.get(link);
    if (left === undefined) return bytes;
    if (bytes.length < left) {
      this.#left.set(link, left - bytes.length);
      return bytes;
    }
    this.#left.delete(link);
    if (left === 0) return void this.#cutOff(link);
    // Behind these bytes.
    setTimeout(() => this.#cutOff(link), 0);
    return bytes.subarray(0, left);
  }

  #isReached(request: Uint8Array): boolean {
    if (!this.#cut) return false;
    if (this.#later === undefined) {
      if (!new TextDecoder().decode(request).includes(this.#cut.text)) return false;
      this.#later = this.#cut.later ?? 0;
    }
    return this.#later-- === 0;
  }

  #cutOff(link: ProxyLink): void {
    this.cuts++;
    link.cut();
    if (this.awayAfterCut) this.away = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy[Symbol.asyncDispose]();
  }
}
