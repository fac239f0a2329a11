/**
 * The software bill of materials: CycloneDX in JSON. Its libraries are the packages of which code
 * is in the bundle, as esbuild reports them; Deno is its platform. It has no time and no serial
 * number, so that the same source gives the same bytes.
 */
import type { BundledPackage } from "./npm_packages.ts";
import { configuration, RUNTIME_VERSION } from "./project.ts";

/** The text of the file. */
export async function sbom(packages: readonly BundledPackage[]): Promise<string> {
  const { version, license } = await configuration();
  const root = purl("env-event-stream", version);
  const libraries = packages.map((one) => ({
    type: "library",
    "bom-ref": purl(one.name, one.version),
    name: one.name,
    version: one.version,
    licenses: [{ license: { id: one.license } }],
    purl: purl(one.name, one.version),
    hashes: [{ alg: "SHA-512", content: hexOf(one.integrity) }],
  }));
  const platform = {
    type: "platform",
    "bom-ref": purl("deno", RUNTIME_VERSION),
    name: "deno",
    version: RUNTIME_VERSION,
    licenses: [{ license: { id: "MIT" } }],
    purl: purl("deno", RUNTIME_VERSION),
  };
  const components = [...libraries, platform];
  const document = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": root,
        name: "env-event-stream",
        version,
        licenses: [{ license: { id: license } }],
        purl: root,
      },
    },
    components,
    dependencies: [{ ref: root, dependsOn: components.map((one) => one["bom-ref"]) }],
  };
  return JSON.stringify(document, undefined, 2) + "\n";
}

/** A package URL: `pkg:npm/%40stricli/core@1.3.0`. */
function purl(name: string, version: string): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** The digits of `sha512-BASE64`. */
function hexOf(integrity: string): string {
  return Uint8Array.fromBase64(integrity.replace(/^sha512-/, "")).toHex();
}
