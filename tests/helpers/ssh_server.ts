/**
 * A machine called `server` for a place's `ssh`: OpenSSH's own server, started for each connection,
 * with keys of its own. There is no port, so none can be taken, and nothing is left running.
 */
import type { Place } from "./shell.ts";

/** Not on the PATH of ordinary users, and sshd wants to be called by its whole path. */
const SSHD = "/usr/sbin/sshd";

/**
 * Makes keys, and an `ssh` in `folder` that knows `server`. Commands there run with the place's
 * environment, as they would after a login there.
 */
export async function addSshServer(place: Place, folder: string): Promise<void> {
  await Deno.stat(SSHD);
  const ssh = `${place.folder}/ssh`;
  await Deno.mkdir(ssh, { mode: 0o700 });
  // What Debian's service makes before it starts the server.
  await Deno.mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  const environment = Object.entries(place.env).map(([name, value]) =>
    `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`
  );
  await Deno.writeTextFile(
    `${ssh}/login`,
    `${environment.join("")}exec sh -c "$SSH_ORIGINAL_COMMAND"\n`,
  );
  await Deno.writeTextFile(
    `${ssh}/sshd_config`,
    `HostKey ${ssh}/host
AuthorizedKeysFile ${ssh}/user.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
ForceCommand sh ${ssh}/login
`,
  );
  await Deno.writeTextFile(
    `${ssh}/config`,
    `Host server
  ProxyCommand ${SSHD} -i -e -f ${ssh}/sshd_config 2>>${ssh}/log
  IdentityFile ${ssh}/user
  IdentitiesOnly yes
  UserKnownHostsFile ${ssh}/known
  GlobalKnownHostsFile none
  BatchMode yes
`,
  );
  await place.run(`cd ../ssh
ssh-keygen -q -t ed25519 -N '' -f host
ssh-keygen -q -t ed25519 -N '' -f user
printf 'server %s\\n' "$(cut -d' ' -f1,2 host.pub)" >known`);
  await Deno.writeTextFile(
    `${folder}/ssh`,
    `#!/bin/sh\nexec /usr/bin/ssh -F ${ssh}/config "$@"\n`,
    { mode: 0o755 },
  );
}
