/** The routes of registered schemas: list, show, remove, check payloads. */
import type { SchemaInfo, SchemaVerdict } from "../../core/protocol/schemas.ts";
import { EvsError, NotFoundError } from "../../core/base/errors.ts";
import { parseJson } from "../../core/json/json.ts";
import { didYouMean } from "../../core/base/suggest.ts";
import type { SchemaRecord } from "../../core/state/state.ts";
import { LineReader } from "../ingest/ndjson.ts";
import type { Reply } from "../http/reply.ts";
import {
  bodyOf,
  isUnexpected,
  type Route,
  type RouteRequest,
  sendBytes,
  sendJson,
} from "../http/router.ts";
import { actOf } from "./audit.ts";
import { versionName } from "./shapes.ts";

/** List, show, remove, check. */
export const schemaRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/schemas",
    handle({ services }, reply) {
      const { schemas } = services.broker;
      sendJson(reply, 200, {
        schemas: schemas.list().map((record) => ({
          ...schemaInfoOf(record, schemas.latest(record.type)),
          compatibility: schemas.level(record.type),
        })),
      });
    },
  },
  {
    method: "GET",
    path: "/v1/schemas/{type}",
    query: { version: versionName },
    handle(request, reply) {
      const record = requireSchema(request);
      const about = JSON.stringify(
        schemaInfoOf(record, request.services.broker.schemas.latest(record.type)),
      )
        .slice(0, -1);
      // The schema comes last and byte for byte, like the payload of an event.
      const bytes = new TextEncoder().encode(`${about},"schema":${record.schema.trim()}}\n`);
      sendBytes(reply, { status: 200, type: "application/json", bytes });
    },
  },
  {
    method: "DELETE",
    path: "/v1/schemas/{type}",
    query: { version: versionName },
    async handle(request, reply) {
      const { type, version } = requireSchema(request);
      const { broker, disk } = request.services;
      const act = actOf(request);
      await disk.makeRoom(() => broker.gate.remove(type, version, act));
      request.services.log.logger.info("schema removed", { type, version });
      sendJson(reply, 200, { removed: type, version });
    },
  },
  {
    method: "POST",
    path: "/v1/schemas/{type}/check",
    query: { version: versionName },
    body: { shape: "raw", required: true },
    handle: check,
  },
];

/** The public description of a schema. */
export function schemaInfoOf(
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

/** The schema of the path's type; throws `NotFoundError` that lists the existing ones. */
export function requireSchema(
  { services, params, query }: RouteRequest,
  version = query.get("version") ?? undefined,
): SchemaRecord {
  const { schemas } = services.broker;
  const type = params["type"]!;
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

const encoder = new TextEncoder();

/** Payloads in, one per line; verdicts out, in the same order. Nothing is stored. */
async function check(request: RouteRequest, reply: Reply): Promise<void> {
  const { services } = request;
  const { type, version } = requireSchema(request);
  let verdicts: SchemaVerdict[] = [];
  const verdict = (line: number, judge: () => Omit<SchemaVerdict, "line" | "version">) => {
    try {
      verdicts.push({ line, version, ...judge() });
    } catch (error) {
      if (!(error instanceof EvsError) || isUnexpected(error)) throw error;
      verdicts.push({ line, valid: false, version, error: error.toBody() });
    }
    return true;
  };
  const reader = new LineReader({
    line: (number, text) =>
      verdict(number, () => {
        const payload = parseJson(text);
        const { faults } = services.broker.schemas.validate(type, version, payload, text);
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
  }, { limit: services.maxEventBytes, firstLine: 1 });
  reply.begin(200, { "content-type": "application/x-ndjson" });
  const flush = async () => {
    if (verdicts.length === 0) return;
    const text = verdicts.map((one) => `${JSON.stringify(one)}\n`).join("");
    verdicts = [];
    await reply.write(encoder.encode(text));
  };
  for await (const chunk of bodyOf(request)) {
    reader.push(chunk);
    await flush();
  }
  reader.end();
  await flush();
  reply.end();
}
