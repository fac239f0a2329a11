/** `GET /v1/asyncapi`: an AsyncAPI 3 document of all topics and schemas. */
import { lateModule } from "../../core/base/late_module.ts";
import { turn } from "../../core/base/in_turns.ts";
import { VERSION } from "../../core/base/version.ts";
import { type Route, type RouteRequest, sendBytes } from "../http/router.ts";

/** So many of a topic's newest events show which types it has. */
const NEWEST = 200;

/** The document. */
export const asyncApiRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/asyncapi",
    async handle(request, reply) {
      const { schemas } = request.services.broker;
      const topics = [];
      for (const { name } of request.services.broker.topics.list()) {
        topics.push({ name, types: await newestTypes(request, name) });
        await turn();
      }
      const { asyncApiDocument } = await lateModule(
        "core/schema/asyncapi.ts",
        () => import("../../core/schema/asyncapi.ts"),
      );
      const document = asyncApiDocument({
        version: VERSION,
        topics,
        schemas: schemas.list().map(({ type, version, schema }) => ({
          type,
          version,
          schema,
          latest: version === schemas.latest(type),
        })),
      });
      const bytes = new TextEncoder().encode(`${JSON.stringify(document, null, 2)}\n`);
      sendBytes(reply, { status: 200, type: "application/json", bytes });
    },
  },
];

/** The types of a topic's newest events, by name. */
async function newestTypes(request: RouteRequest, topic: string): Promise<string[]> {
  const { store } = request.services.broker;
  const { lastSeq } = store.head(topic);
  const from = Math.max(1, lastSeq - NEWEST + 1);
  const { events } = await store.readPage(topic, { from, to: lastSeq, limit: NEWEST });
  return [...new Set(events.map(({ type }) => type))].sort();
}
