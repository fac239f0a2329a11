/** The pinned version of esbuild, which only building a package needs. */
export * from "npm:esbuild@0.28.2";
