/** Which of this machine's Debian packages a root needs, by what they say themselves. Pure. */

/** A package that is installed here. */
export interface InstalledPackage {
  name: string;
  isEssential: boolean;
  /** Each of them is needed; a choice is met by any of its names. */
  needs: readonly (readonly string[])[];
  provides: readonly string[];
}

/** What `dpkg-query -W -f FORMAT` prints of each package. */
export const PACKAGE_FORMAT =
  "${binary:Package}\t${Essential}\t${Pre-Depends}\t${Depends}\t${Provides}\n";

/** Reads it. */
export function parsePackages(lines: string): InstalledPackage[] {
  return lines.trim().split("\n").map((line) => {
    const [name = "", essential, before = "", needed = "", provided = ""] = line.split("\t");
    const choices = [...before.split(","), ...needed.split(",")].filter((text) => text.trim());
    return {
      name,
      isEssential: essential === "yes",
      needs: choices.map((choice) => choice.split("|").map(bareName)),
      provides: provided.split(",").filter((text) => text.trim()).map(bareName),
    };
  });
}

/** The essential packages, the ones that are named, and all that these need. */
export function packagesFor(
  installed: readonly InstalledPackage[],
  named: readonly string[],
): string[] {
  const known = new Map<string, InstalledPackage>();
  for (const one of installed) for (const name of one.provides) known.set(name, one);
  for (const one of installed) known.set(bareName(one.name), one);
  const found = new Set<string>();
  const queue = installed.filter(({ isEssential }) => isEssential);
  for (const name of named) {
    const one = known.get(name);
    if (one === undefined) throw new Error(`the package ${name} is not installed`);
    queue.push(one);
  }
  for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
    if (found.has(one.name)) continue;
    found.add(one.name);
    for (const choice of one.needs) {
      const name = choice.find((name) => known.has(name));
      if (name !== undefined) queue.push(known.get(name)!);
    }
  }
  return [...found].sort();
}

/** Without a version or an architecture. */
function bareName(text: string): string {
  return text.trim().replace(/[\s(:].*$/s, "");
}
