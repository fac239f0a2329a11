/** The launcher of packages with a cache folder in which another user has been first. */
import assert from "node:assert/strict";
import { Place, project } from "../helpers/shell.ts";

/** Nobody, everywhere on Debian. */
const OTHER = 65534;

Deno.test("the launcher runs no program that another user has written into the cache, and writes nothing there", async () => {
  await using place = await Place.make();
  const { folder } = place;
  await place.run(`cd .. && mkdir -p p/bin p/lib shared/evs bin
cp "${project}/packaging/evs" p/bin && : >p/lib/cli.js
for name in mine theirs; do printf '#!/bin/sh\necho %s\n' $name >$name && chmod +x $name; done
printf '#!/bin/sh\necho "${folder}/mine"\n' >bin/deno && chmod +x bin/deno
echo "${folder}/theirs" >shared/evs/deno-2.9
chown -R ${OTHER} shared`);
  const env = {
    EVS_DENO: "",
    XDG_CACHE_HOME: `${folder}/shared`,
    PATH: `${folder}/bin:/usr/bin:/bin`,
  };
  assert.equal(await place.run("../p/bin/evs status", env), "mine\n");
  assert.equal(await place.run("cat ../shared/evs/*"), `${folder}/theirs\n`);
  await place.run("rm ../shared/evs/*");
  assert.equal(await place.run("../p/bin/evs status", env), "mine\n");
  assert.equal(await place.run("ls ../shared/evs"), "");
});
