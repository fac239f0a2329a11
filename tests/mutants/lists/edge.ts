/** Mutants of what stands around the engine: the server, its limits, clients and commands. */
import type { Mutant } from "../mutant.ts";
import { cliMutants } from "./cli.ts";
import { clientMutants } from "./client.ts";
import { databaseMutants } from "./database.ts";
import { daemonMutants } from "./daemon.ts";
import { httpMutants } from "./http.ts";
import { packagingMutants } from "./packaging.ts";
import { securityMutants } from "./security.ts";

export const edgeMutants: Mutant[] = [
  ...httpMutants,
  ...daemonMutants,
  ...databaseMutants,
  ...securityMutants,
  ...clientMutants,
  ...cliMutants,
  ...packagingMutants,
];
