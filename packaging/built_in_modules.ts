/**
 * Lets CommonJS packages in the bundle have what is built into the runtime, each module when it is
 * first asked for: as an import of the file it would be loaded at every start of the daemon, and
 * `require` is not there in an ES module.
 */
import { builtinModules } from "node:module";
import type * as esbuild from "./esbuild.ts";

const NAMESPACE = "built-in";
const names = new Set(builtinModules);

/** For `esbuild.build`. */
export const builtInModules: esbuild.Plugin = {
  name: "built-in modules",
  setup(build) {
    build.onResolve({ filter: /^[a-z_:/]+$/ }, ({ path, kind }) => {
      const name = path.replace(/^node:/, "");
      return kind === "require-call" && names.has(name)
        ? { path: name, namespace: NAMESPACE }
        : undefined;
    });
    build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(`node:${path}`)});`,
      loader: "js",
    }));
  },
};
