/**
 * What the validator takes from npm. It is loaded with the first schema, because it takes 70 ms
 * (docs/adr/0001-dependencies.md). The names are imported one by one, because a bundler can then
 * find them in CommonJS modules.
 */
export { _, Ajv } from "ajv";
export { Ajv2020 } from "ajv/dist/2020.js";
export { fullFormats } from "ajv-formats/dist/formats.js";
export { RE2JS } from "re2js";
