/** Checks requests against what their route declares. */
import { ConnectionGoneError } from "./connection.ts";
import type { Reply } from "./reply.ts";
import type { IncomingRequest } from "./request.ts";
import { readJson, type Route, type RouteRequest } from "./router.ts";
import { object, type ObjectShape, readMembers } from "./shape.ts";

/** A route whose body is one JSON object, read and checked before `accept` is called. */
export function jsonRoute<T>(
  { body, required = false, limit, accept, ...route }:
    & Pick<Route, "method" | "path" | "query">
    & {
      body: ObjectShape<T>;
      required?: boolean;
      /** The maximum size in bytes. */
      limit?: number;
      accept(
        request: RouteRequest,
        answer: { body: T; reply: Reply },
      ): Promise<void> | void;
    },
): Route {
  return {
    ...route,
    body: { shape: body, required },
    async handle(request, reply) {
      const given = await readJson(request, { required, limit });
      if (request.isGone) throw new ConnectionGoneError("the connection has closed");
      await accept(request, { body: readMembers(body, given), reply });
    },
  };
}

const nothing = object({});

/** If the request has a body that the route does not accept, the promise rejects with an error. */
export function checkBody(route: Route, request: RouteRequest): Promise<void> | undefined {
  // The body of a GET has no meaning (RFC 9110) and is ignored.
  if (route.method === "GET" || route.body || !hasBody(request.raw)) return undefined;
  return readJson(request).then((body) => void readMembers(nothing, body));
}

function hasBody({ body }: IncomingRequest): boolean {
  return !body.isComplete || body.hasPieces;
}
