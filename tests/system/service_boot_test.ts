/**
 * Services under a real systemd, which is booted twice in a container over a copy of this machine's
 * files: daemons and consumers come back after kills and after the reboot, and lose nothing. Part of `deno task test:nightly`; it needs the package systemd-container.
 */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { dose } from "../helpers/dose.ts";
import { denoDir, needTools, Place, project } from "../helpers/shell.ts";

const isNightly = dose(1) >= 10;

/** Boots a systemd over what is in `$PWD/upper`; `out` is shared with it. */
const BOOT = `timeout 600 systemd-nspawn --quiet --register=no --keep-unit --private-network \
  --bind="$PWD/out:/out" --bind-ro="$DENO:/opt/deno" -D "$PWD/root" -b systemd.unit=evs-test.target \
  >>out/console 2>&1`;

/** What the machine runs when it has booted; it then powers off. */
const UNITS = `mkdir -p root/etc/systemd/system
cat >root/etc/systemd/system/evs-test.service <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
Environment=HOME=/root EVS_DENO=/opt/deno DENO_DIR=/opt/cache
Environment=PATH=/opt/evs/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/bin/sh -eu /out/script.sh
StandardOutput=file:/out/stdout
StandardError=file:/out/stderr
ExecStopPost=/bin/systemctl poweroff --force
UNIT
cat >root/etc/systemd/system/evs-test.target <<'UNIT'
[Unit]
Requires=multi-user.target
Wants=evs-test.service
After=multi-user.target
AllowIsolate=yes
UNIT
# Services of this machine have no business here.
for name in redis-server postgresql apt-daily.timer cron; do
  ln -sf /dev/null root/etc/systemd/system/$name\${name##*.timer}.service
done`;

/** Copies what evs needs to where the user evs can read it. */
const COPY = `mkdir -p root/opt/evs root/opt/cache root/opt/handler
cp -r "$PROJECT/bin" "$PROJECT/cli.ts" "$PROJECT/deno.json" "$PROJECT/deno.lock" \
  "$PROJECT/commands" "$PROJECT/core" "$PROJECT/daemon" "$PROJECT/schemas" root/opt/evs
cp -r "$DENO_DIR/npm" root/opt/cache
cat >root/opt/handler/charge.sh <<'HANDLER'
#!/bin/sh
{ for word; do printf '<%s>' "$word"; done; printf ' %s %s %s ' "$(id -un)" "$PWD" "$EVS_SEQ"; cat; } >>/var/cache/evs/handled
HANDLER
chmod 755 root/opt/handler/charge.sh
chmod -R a+rX root/opt
: >root/opt/deno`;

/** Defines `as`, which runs a command for a user with a service manager of its own. */
const AS_ADA = `as() {
  runuser -u ada -- env HOME=/home/ada USER=ada XDG_RUNTIME_DIR="/run/user/$(id -u ada)" "$@"
}
until test -S "/run/user/$(id -u ada)/systemd/private"; do sleep 0.2; done
`;

/** Installs, kills, and leaves events behind. */
function firstBoot(words: readonly string[]): string {
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\''`)}'`).join(" ");
  return `evs service install daemon --system
cd /opt/handler
evs service install consume orders --name billing --system -- ./charge.sh ${quoted}
seq 50 | evs publish orders n --ndjson >/dev/null
until_active() { until systemctl is-active --quiet evs evs-consume-billing; do sleep 0.2; done; }
# Every process of the consumer, then the daemon itself, then the process that watches it.
before=$(systemctl show -p InvocationID --value evs-consume-billing)
systemctl kill -s KILL evs-consume-billing
until test "$(systemctl show -p InvocationID --value evs-consume-billing)" != "$before"; do sleep 0.2; done
until_active
for which in 'jq .pid /var/lib/evs/daemon.json' 'systemctl show -p MainPID --value evs'; do
  before=$(systemctl show -p InvocationID --value evs)
  kill -KILL "$($which)"
  until test "$(systemctl show -p InvocationID --value evs)" != "$before"; do sleep 0.2; done
  until_active
  seq 50 | evs publish orders n --ndjson --wait 60s >/dev/null
done
systemctl stop evs
! systemctl is-active --quiet evs-consume-billing
systemctl start evs
until_active
systemd-analyze security --no-pager evs.service | tail -1
evs status | grep -o '"permissions".*'
stat -c '%a %U %G %n' /run/evs /run/evs/evs.sock /var/lib/evs
seq 100 | evs publish orders n --ndjson >/dev/null
useradd -m ada
loginctl enable-linger ada
${AS_ADA}as evs service install
as sh -euc 'cd; evs service install consume own --name mine -- sh -c "cat >>own"'
seq 5 | as evs publish own n --ndjson >/dev/null
`;
}

/** Whatever was there is there again, without anybody's help. */
const SECOND_BOOT = `evs status --wait 60s >/dev/null
systemctl is-active evs
until systemctl is-active --quiet evs-consume-billing; do sleep 0.2; done
seq 10 | evs publish orders n --ndjson >/dev/null
until evs subscription show billing | jq -e '.pending == 0 and .leased == 0' >/dev/null; do sleep 0.2; done
evs subscription show billing --json
cat /var/cache/evs/handled
${AS_ADA}as evs status --wait 60s | grep -o '"dataDir":"[^"]*"'
seq 6 10 | as evs publish own n --ndjson >/dev/null
until test "$(sort -un /home/ada/own | wc -l)" = 10; do sleep 0.2; done
as evs service remove consume mine
as evs service remove
find /home/ada/.config -type f
evs service remove consume billing --system
evs service remove daemon --system
ls /etc/systemd/system/evs* /etc/sysusers.d /etc/evs 2>&1 || true
`;

Deno.test({
  name:
    "daemons of the system and of a user, and their consumers, come back after kills and a reboot, and lose nothing, under a real systemd",
  ignore: !isNightly,
  async fn() {
    needTools("systemd-nspawn", "unshare", "mount", "jq");
    await using place = await Place.make();
    const work = `${place.folder}/work`;
    const words = fc.sample(
      fc.string({ unit: "binary", minLength: 1 }).map((text) => text.replaceAll("\0", ""))
        .filter((text) => text.isWellFormed()),
      { numRuns: 20, seed: 33 },
    ).concat("%s $HOME", 'a "b" \\ c', ";", "");
    await Deno.mkdir(`${work}/out`);
    const run = async (script: string) => await Deno.writeTextFile(`${work}/out/script.sh`, script);
    await run(firstBoot(words));
    await Deno.writeTextFile(`${work}/second.sh`, SECOND_BOOT);
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: [
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-eu",
        "-c",
        `mkdir upper root
mount -t tmpfs tmpfs upper
mkdir upper/up upper/work
mount -t overlay overlay -o lowerdir=/,upperdir=$PWD/upper/up,workdir=$PWD/upper/work root
${UNITS}
${COPY}
${BOOT}
mv out/stdout out/first
mv out/stderr out/first.err
cp second.sh out/script.sh
${BOOT}`,
      ],
      cwd: work,
      env: { ...place.env, PROJECT: project, DENO: Deno.execPath(), DENO_DIR: denoDir() },
      stdin: "null",
    }).output();
    const text = async (name: string) => await Deno.readTextFile(`${work}/out/${name}`);
    const decoder = new TextDecoder();
    assert.equal(code, 0, decoder.decode(stdout) + decoder.decode(stderr));
    const first = await text("first");
    const told = `${first}${await text("first.err")}`;
    assert.match(first, /Overall exposure level for evs\.service: [01]\.\d/, told);
    assert.match(first, /"permissions":\["--allow-net=unix:\/run\/evs\/evs\.sock",/, told);
    assert.match(first, /^750 evs evs \/run\/evs$/m);
    assert.match(first, /^660 evs evs \/run\/evs\/evs\.sock$/m);
    assert.match(first, /^700 evs evs \/var\/lib\/evs$/m);
    const second = await text("stdout");
    assert.match(second, /"dead":0/, second + await text("stderr"));
    const handled = [...second.matchAll(/> evs \/opt\/handler (\d+) \d+$/gm)].map(([, seq]) => seq);
    assert.deepEqual(
      [...new Set(handled)].map(Number).sort((a, b) => a - b),
      Array.from({ length: 260 }, (_, i) => i + 1),
      "each event was handled",
    );
    assert.ok(second.includes(words.map((word) => `<${word}>`).join("")), "with the same words");
    assert.match(second, /"dataDir":"\/home\/ada\/\.local\/share\/evs"/, "a user's own");
    assert.doesNotMatch(second, /^\/home\/ada\/\.config/m);
    assert.doesNotMatch(second, /^\/etc\/systemd\/system\/evs(-consume.*)?\.service$/m);
  },
});
