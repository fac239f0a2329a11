/** Mutants of a daemon whose events are in a database: its password, its permissions, what it tells. */
import type { Mutant } from "../mutant.ts";

const LEAST = "23. Least permissions";
const SECRET = "the password is in no command line, log, status or error";

const password = {
  promise: SECRET,
  file: "core/postgres/password.ts",
  tests: ["tests/core/postgres/password_test.ts"],
};
const config = {
  promise: SECRET,
  file: "daemon/config.ts",
  tests: ["tests/daemon/config_test.ts"],
};
const launch = {
  promise: LEAST,
  file: "core/client/launch.ts",
  tests: ["tests/core/client/launch_test.ts"],
};
const reach = {
  promise: "a server that goes away later: the status says so at once",
  file: "daemon/database_reach.ts",
  tests: ["tests/daemon/database_reach_test.ts"],
};

export const databaseMutants: Mutant[] = [
  {
    ...password,
    name: "password: takes a password file that others may read",
    from: "if (((info.mode ?? 0) & OTHERS) === 0) return text;",
    to: "if (((info.mode ?? 0) & OTHERS) >= 0) return text;",
  },
  {
    ...password,
    name: "password: takes the line of another user",
    from: "const fits = wanted.every(",
    to: "const fits = wanted.slice(0, 3).every(",
  },
  {
    ...password,
    name: "password: takes a URL with a password from where others see it",
    from: "if (target.password === undefined) return target;",
    to: "if (target.password !== null) return target;",
  },
  {
    ...password,
    name: "password: prefers the config file to the environment",
    from: "const given = variable || configured;",
    to: "const given = configured || variable;",
  },
  {
    ...config,
    name: "config: takes a password from a file that others may read",
    from: "if (config.databasePassword) assertOwnersAlone(path, info);",
    to: "if (config.databasePassword === undefined) assertOwnersAlone(path, info);",
  },
  {
    ...config,
    name: "config: quotes a URL that it refuses",
    from: '`${key} is ${STORES.join(" or ")}, or a URL that begins with postgres://`,',
    to: '`${key} is ${STORES.join(" or ")}, or begins with postgres://, not ${value}`,',
  },
  {
    ...launch,
    name: "launch: every daemon may read the password of a database",
    from: "...(options.database === undefined ? [] : ENVIRONMENT_OF_DATABASE),",
    to: "...ENVIRONMENT_OF_DATABASE,",
  },
  {
    ...launch,
    name: "launch: a daemon with a database may connect anywhere",
    from: "`--allow-net=${list([`unix:${socket}`, ...given(net)])}`,",
    to: "net === undefined ? `--allow-net=unix:${socket}` : `--allow-net`,",
  },
  {
    name: "permissions: every daemon of a binary keeps the network",
    promise: LEAST,
    file: "daemon/permissions.ts",
    from: 'store === "postgres" ? NEEDLESS_WITH_DATABASE : NEEDLESS',
    to: 'store === "" ? NEEDLESS : NEEDLESS_WITH_DATABASE',
    tests: ["tests/daemon/permissions_test.ts"],
    filter: "giveUpPermissions",
  },
  {
    name: "cluster: takes every node for the one that answers",
    promise: "evs node list",
    file: "daemon/cluster.ts",
    from: "one.node === own ?",
    to: 'one.node !== "" ?',
    tests: ["tests/daemon/cluster_test.ts"],
  },
  {
    name: "lease reply: gives all events of a response the epoch of the first",
    promise: "EVS_EPOCH rises each time that another node takes over the part",
    file: "daemon/routes/lease_reply.ts",
    from: "|| frame.epoch !== epoch",
    to: "",
    tests: ["tests/daemon/routes/lease_reply_test.ts"],
  },
  {
    ...reach,
    name: "reach: waits for a database as long as it takes",
    from: "await Promise.race([looking, late.promise]);",
    to: "await Promise.all([looking, late.promise]);",
  },
  {
    ...reach,
    name: "reach: never says that a database is there again",
    from: "this.#away = undefined;",
    to: "this.#away = this.#away;",
  },
];
