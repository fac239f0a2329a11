/**
 * The routes that register and compare schemas. A schema is kept byte for byte: its body is the
 * request's own.
 */
import type { SchemaDiff, SchemaInfo } from "../../core/protocol/schemas.ts";
import { InvalidArgumentError, InvalidSchemaError } from "../../core/base/errors.ts";
import { lateModule } from "../../core/base/late_module.ts";
import { assertName } from "../../core/event/name.ts";
import { parseExact } from "../../core/json/exact.ts";
import { compareVersionsOf } from "../../core/schema/schema_tools.ts";
import { MAX_SCHEMA_BYTES } from "../../core/schema/validator/limits.ts";
import {
  JsonSchemaRegistry,
  type SchemaPlan,
  type SchemaRequest,
} from "../../core/schema/registry.ts";
import { shellQuote } from "../../core/base/shell_quote.ts";
import type { SchemaRecord } from "../../core/state/state.ts";
import { jsonRoute } from "../http/json_route.ts";
import type { Reply } from "../http/reply.ts";
import { readBody, type Route, type RouteRequest, sendJson } from "../http/router.ts";
import { flag, flagIn, list, object, text, valueIn } from "../http/shape.ts";
import { actOf } from "./audit.ts";
import { requireSchema, schemaInfoOf } from "./schemas.ts";
import { compatibility, typeName, versionName } from "./shapes.ts";

/** More than a schema may have, so that the registry refuses it with its own error. */
const MAX_SCHEMA_BODY = 1024 * 1024;
const MAX_SCHEMAS_BODY = 16 * 1024 * 1024;

/** Register one, register many, compare. */
export const schemaVersionRoutes: Route[] = [
  {
    method: "PUT",
    path: "/v1/schemas/{type}",
    query: { version: versionName, dryRun: flag, compatibility },
    body: { shape: "raw", required: true },
    handle: register,
  },
  jsonRoute({
    method: "POST",
    path: "/v1/schemas",
    body: object({
      schemas: list(
        object({ type: typeName, version: versionName, schema: text, compatibility }, {
          required: ["type", "schema"],
        }),
        { what: "schemas" },
      ),
      dryRun: flag,
    }, { required: ["schemas"] }),
    required: true,
    limit: MAX_SCHEMAS_BODY,
    accept: registerMany,
  }),
  {
    method: "GET",
    path: "/v1/schemas/{type}/diff",
    query: { from: versionName, to: versionName },
    handle: diff,
  },
  {
    method: "POST",
    path: "/v1/schemas/{type}/diff",
    query: { from: versionName },
    body: { shape: "raw", required: true },
    handle: diffWith,
  },
];

async function register(request: RouteRequest, reply: Reply): Promise<void> {
  const { services, params, query } = request;
  const type = assertName(params["type"]!, "the type");
  const version = query.get("version") ?? undefined;
  const schema = await readSchema(request);
  const level = valueIn(query, { name: "compatibility", shape: compatibility });
  const dryRun = flagIn(query, "dryRun");
  const [plan] = await services.broker.gate.register(
    [{ type, version, schema, compatibility: level }],
    { dryRun, ...actOf(request) },
  );
  if (!dryRun) log(request, plan!);
  sendJson(reply, plan!.created && !dryRun ? 201 : 200, {
    ...planInfo(request, plan!),
    ...(dryRun ? { dryRun } : {}),
  });
}

/** Registers a folder of schemas: all of them or none. */
async function registerMany(
  request: RouteRequest,
  { body: { schemas, dryRun = false }, reply }: {
    body: { schemas: SchemaRequest[]; dryRun?: boolean };
    reply: Reply;
  },
): Promise<void> {
  const plans = await request.services.broker.gate.register(schemas, { dryRun, ...actOf(request) });
  if (!dryRun) { for (const plan of plans) log(request, plan); }
  sendJson(reply, 200, {
    schemas: plans.map((plan) => planInfo(request, plan)),
    ...(dryRun ? { dryRun } : {}),
  });
}

function log({ services }: RouteRequest, { record: { type, version }, created }: SchemaPlan): void {
  if (created) services.log.logger.info("schema registered", { type, version });
}

function planInfo({ services }: RouteRequest, plan: SchemaPlan): SchemaInfo {
  const { record, created, compatibility, against, warnings } = plan;
  return {
    ...schemaInfoOf(record, services.broker.schemas.latest(record.type)),
    created,
    compatibility,
    against,
    warnings,
  };
}

/** Compares two versions: by default the latest and the one before it. */
async function diff(request: RouteRequest, reply: Reply): Promise<void> {
  const { services, params, query } = request;
  const versions = services.broker.schemas.versions(params["type"]!);
  const newer = requireSchema(request, query.get("to") ?? undefined);
  const before = versions[versions.indexOf(newer.version) - 1];
  const from = query.get("from") ?? before;
  if (from === undefined) {
    throw new InvalidArgumentError(`${newer.type} has no version before ${newer.version}`, {
      hint: `evs schema show ${shellQuote(newer.type)}`,
    });
  }
  const older = requireSchema(request, from);
  sendJson(reply, 200, await compared(older, { to: newer.version, schema: newer.schema }));
}

/** Compares a version, by default the latest, with the body. */
async function diffWith(request: RouteRequest, reply: Reply): Promise<void> {
  const older = requireSchema(request, request.query.get("from") ?? undefined);
  const schema = await readSchema(request);
  // A schema that cannot be registered cannot be compared: same error.
  await new JsonSchemaRegistry().plan([{ type: older.type, schema }]);
  sendJson(reply, 200, await compared(older, { schema }));
}

async function compared(
  { type, version: from, schema }: SchemaRecord,
  newer: { to?: string; schema: string },
): Promise<SchemaDiff> {
  const [old, next] = [parseExact(schema), parseExact(newer.schema)];
  const { changesBetween } = await lateModule(
    "core/schema/compatibility/changes.ts",
    () => import("../../core/schema/compatibility/changes.ts"),
  );
  return {
    type,
    from,
    to: newer.to,
    ...await compareVersionsOf(old, next),
    changes: changesBetween(old, next),
  };
}

async function readSchema(request: RouteRequest): Promise<string> {
  let body: Uint8Array;
  try {
    body = await readBody(request, { limit: MAX_SCHEMA_BODY });
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError)) throw cause;
    throw new InvalidSchemaError(
      `the schema has more than ${MAX_SCHEMA_BODY} bytes; the limit is ${MAX_SCHEMA_BYTES}`,
      { cause, details: { limit: MAX_SCHEMA_BYTES } },
    );
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch (cause) {
    throw new InvalidSchemaError("the schema is not UTF-8", { cause });
  }
}
