/** All routes of the daemon. schemas/openapi.json describes exactly these; a test compares them. */
import type { Route } from "../http/router.ts";
import { asyncApiRoutes } from "./asyncapi.ts";
import { auditRoutes } from "./audit.ts";
import { damageRoutes } from "./damage.ts";
import { deadLetterGroupRoutes } from "./dead_letter_groups.ts";
import { deadLetterImportRoutes } from "./dead_letter_import.ts";
import { deadLetterJobRoutes } from "./dead_letter_jobs.ts";
import { deadLetterRoutes } from "./dead_letters.ts";
import { eventRoutes } from "./events.ts";
import { historyRoutes } from "./history.ts";
import { metricsRoutes } from "./metrics.ts";
import { nodeRoutes } from "./nodes.ts";
import { overviewRoutes } from "./overview.ts";
import { schemaVersionRoutes } from "./schema_versions.ts";
import { schemaRoutes } from "./schemas.ts";
import { statusRoutes } from "./status.ts";
import { redactRoutes } from "./redact.ts";
import { retryRoutes } from "./retries.ts";
import { scheduledRoutes } from "./scheduled.ts";
import { subscriptionRoutes } from "./subscriptions.ts";
import { topicRoutes } from "./topics.ts";

/** All routes. */
export const routes: readonly Route[] = [
  ...eventRoutes,
  ...redactRoutes,
  ...topicRoutes,
  ...subscriptionRoutes,
  ...retryRoutes,
  ...scheduledRoutes,
  ...deadLetterRoutes,
  ...deadLetterGroupRoutes,
  ...deadLetterImportRoutes,
  ...deadLetterJobRoutes,
  ...schemaRoutes,
  ...schemaVersionRoutes,
  ...asyncApiRoutes,
  ...auditRoutes,
  ...damageRoutes,
  ...statusRoutes,
  ...nodeRoutes,
  ...metricsRoutes,
  ...overviewRoutes,
  ...historyRoutes,
];
