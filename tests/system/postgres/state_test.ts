/** Shows that the state in PostgreSQL keeps what every state keeps. */
import { testAudit } from "../../core/state/audit_conformance.ts";
import { testState } from "../../core/state/conformance.ts";
import { testGroups } from "../../core/state/groups_conformance.ts";
import { endServer, postgresState } from "./states.ts";

Deno.test.afterAll(endServer);

testState("PostgresState", postgresState);
testGroups("PostgresState", postgresState);
testAudit("PostgresState", postgresState);
