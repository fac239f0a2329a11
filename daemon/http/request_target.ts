/**
 * What requests ask for: the route, the parts of the path and the query. A client that publishes
 * repeats one target, so the last ones are remembered.
 */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { IncomingRequest } from "./request.ts";
import type { Route, Router } from "./router.ts";
import { checkQuery } from "./shape.ts";

/** How many are remembered. */
const MOST = 64;
/** Longer targets are not: a position in each of very many topics. */
const LONGEST = 512;
/** RFC 9112, 3.2.2, and what follows its authority. */
const WHOLE_URL = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]+((?:[/?][^#]*)?)$/;

/** What a request asks for. All requests for the same share it: it must not be changed. */
export class RequestTarget {
  readonly route: Route;
  /** The decoded parts of the path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  #isChecked = false;

  constructor({ route, params, query }: Pick<RequestTarget, "route" | "params" | "query">) {
    this.route = route;
    this.params = params;
    this.query = query;
  }

  /** Throws `InvalidArgumentError` for a parameter that the route does not accept. */
  checkQuery(): void {
    if (this.#isChecked) return;
    checkQuery(this.route.query ?? {}, this.query);
    this.#isChecked = true;
  }
}

/** Finds the targets of requests. */
export class RequestTargets {
  readonly #router: Router;
  /** By method and URL. The oldest comes first. */
  readonly #known = new Map<string, RequestTarget>();

  constructor(router: Router) {
    this.#router = router;
  }

  /** Throws an error that says what is served, if the target is not. */
  of({ method, url }: Pick<IncomingRequest, "method" | "url">): RequestTarget {
    const name = `${method} ${url}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const { path, query } = partsOf(url);
    const target = new RequestTarget({ ...this.#router.find(method, path), query });
    if (name.length > LONGEST) return target;
    if (this.#known.size === MOST) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(name, target);
    return target;
  }
}

/**
 * The path and query of a request, as sent. `URL` would resolve dot segments, even escaped ones: a
 * topic called `..` would reach another route instead of being refused as a name (contract row 24).
 */
function partsOf(url: string): { path: string; query: URLSearchParams } {
  // A request to a proxy has the whole URL: what stands before the path says nothing here.
  const target = url.startsWith("/") ? url : WHOLE_URL.exec(url)?.[1];
  if (target !== undefined) {
    const at = target.indexOf("?");
    const path = (at < 0 ? target : target.slice(0, at)) || "/";
    return { path, query: new URLSearchParams(at < 0 ? "" : target.slice(at)) };
  }
  const short = JSON.stringify(url.slice(0, 80));
  throw new InvalidArgumentError(`the request's path is no path: ${short}`);
}
