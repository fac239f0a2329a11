/** The pinned version of mongodb, for its types only. */
export * from "npm:mongodb@7.8.0";
