/** The routes of schemas. A schema is kept as it came: its body is the request's own. */
import type http from "node:http";
import type { SchemaInfo, SchemaVerdict } from "../../core/client/protocol.ts";
import { EvsError, NotFoundError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import { didYouMean } from "../../core/suggest.ts";
import type { SchemaRecord } from "../../core/state/state.ts";
import { checkName } from "../intake.ts";
import { LineReader } from "../ndjson.ts";
import { bodyOf, readBody, type Route, type RouteRequest, sendBytes, sendJson } from "../router.ts";

/** More than a schema may have, so that the registry is who refuses it, in its own words. */
const MAX_SCHEMA_BODY = 1024 * 1024;

/** Register, list, show, check, remove. */
export const schemaRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/schemas",
    handle({ host }, reply) {
      const { schemas } = host.broker;
      sendJson(reply, 200, {
        schemas: schemas.list().map((record) => infoOf(record, schemas.latest(record.type))),
      });
    },
  },
  {
    method: "GET",
    path: "/v1/schemas/{type}",
    handle(request, reply) {
      const record = requireSchema(request);
      const about = JSON.stringify(infoOf(record, request.host.broker.schemas.latest(record.type)))
        .slice(0, -1);
      // The schema stands last and byte for byte, as events' payloads do.
      const bytes = new TextEncoder().encode(`${about},"schema":${record.schema.trim()}}\n`);
      sendBytes(reply, { status: 200, type: "application/json", bytes });
    },
  },
  { method: "PUT", path: "/v1/schemas/{type}", handle: register },
  {
    method: "DELETE",
    path: "/v1/schemas/{type}",
    async handle(request, reply) {
      const { type, version } = requireSchema(request);
      await request.host.broker.removeSchema(type, version);
      request.host.log.logger.info("schema removed", { type, version });
      sendJson(reply, 200, { removed: type, version });
    },
  },
  { method: "POST", path: "/v1/schemas/{type}/check", handle: check },
];

function infoOf(
  { type, version, registeredAt, schema }: SchemaRecord,
  latest: string | undefined,
): SchemaInfo {
  return {
    type,
    version,
    registeredAt,
    latest: version === latest,
    bytes: new TextEncoder().encode(schema).length,
  };
}

function requireSchema({ host, params, query }: RouteRequest): SchemaRecord {
  const { schemas } = host.broker;
  const type = params["type"]!;
  const version = query.get("version") ?? undefined;
  const record = schemas.get(type, version);
  if (record) return record;
  const versions = schemas.list().filter((other) => other.type === type).map((other) =>
    other.version
  );
  throw versions.length > 0
    ? new NotFoundError(
      "schema",
      `${type} has no schema version ${version}: it has ${versions.join(", ")}`,
      {
        details: { versions },
      },
    )
    : new NotFoundError("schema", `no schema is registered for the type ${type}`, {
      hint: didYouMean(type, schemas.list().map((other) => other.type)) ??
        "evs schema list shows what there is",
    });
}

async function register(request: RouteRequest, reply: http.ServerResponse): Promise<void> {
  const { host, params, query } = request;
  const type = checkName(params["type"]!, "the type");
  const asked = query.get("version");
  const body = await readBody(request, { limit: MAX_SCHEMA_BODY });
  const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  const version = asked === null ? undefined : checkName(asked, "the version");
  if (query.get("dryRun") === "1") {
    const { schemas } = host.broker;
    const would = await schemas.preview(type, { version, schema: text });
    const record = schemas.get(type, would.version) ??
      { type, version: would.version, schema: text, registeredAt: Date.now() };
    sendJson(reply, 200, {
      ...infoOf(record, schemas.latest(type)),
      created: would.created,
      dryRun: true,
    });
    return;
  }
  const result = await host.broker.registerSchema(type, version, text);
  const record = host.broker.schemas.get(type, result.version)!;
  if (result.created) host.log.logger.info("schema registered", { type, version: result.version });
  sendJson(reply, result.created ? 201 : 200, {
    ...infoOf(record, host.broker.schemas.latest(type)),
    created: result.created,
  });
}

/** Payloads in, a line each; verdicts out, in their order. Nothing is stored. */
async function check(request: RouteRequest, reply: http.ServerResponse): Promise<void> {
  const { host } = request;
  const { type, version } = requireSchema(request);
  let verdicts: SchemaVerdict[] = [];
  const verdict = (line: number, judge: () => Omit<SchemaVerdict, "line" | "version">) => {
    try {
      verdicts.push({ line, version, ...judge() });
    } catch (error) {
      if (!(error instanceof EvsError)) throw error;
      verdicts.push({ line, valid: false, version, error: error.toBody() });
    }
    return true;
  };
  const reader = new LineReader({
    line: (number, text) =>
      verdict(number, () => {
        const { faults } = host.broker.schemas.validate(type, version, parseJson(text));
        return faults.length === 0 ? { valid: true } : { valid: false, faults };
      }),
    fault: (number, { code }) =>
      verdict(number, () => ({
        valid: false,
        error: {
          code,
          message: code === "event/too-large" ? "the line is too long" : "the line is not UTF-8",
        },
      })),
  }, { limit: host.maxEventBytes, firstLine: 1 });
  reply.writeHead(200, { "content-type": "application/x-ndjson" });
  const flush = async () => {
    if (verdicts.length === 0) return;
    const text = verdicts.map((one) => `${JSON.stringify(one)}\n`).join("");
    verdicts = [];
    if (!reply.write(text)) {
      await new Promise<void>((resolve) => reply.once("drain", resolve).once("close", resolve));
    }
  };
  for await (const chunk of bodyOf(request)) {
    reader.push(chunk);
    await flush();
  }
  reader.end();
  await flush();
  reply.end();
}
