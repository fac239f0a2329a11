/** Which file system a data dir is on, from texts as Linux prints them. */
import assert from "node:assert/strict";
import {
  checkFileSystem,
  fileSizeLimit,
  fileSystemOf,
} from "../../../core/data_dir/file_system.ts";

const MOUNTINFO = `
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
40 22 0:40 / /home rw,relatime shared:7 - nfs4 server:/export rw,vers=4.2
41 40 254:1 / /home/ada/local rw,relatime - xfs /dev/vdb rw
42 22 0:42 / /mnt/two\\040words rw - cifs //server/share rw
43 22 0:43 / /ssh rw - fuse.sshfs ada@host: rw
44 22 0:44 / /box rw - overlay overlay rw,lowerdir=/l,upperdir=/u
45 22 0:45 / /twice rw - nfs a:/ rw
46 22 0:46 / /twice rw - btrfs /dev/vdc rw
47 22 0:47 / /phone rw - fuse.mtpfs phone rw
`;

Deno.test("fileSystemOf finds the mount that a path is on", () => {
  for (
    const [path, type] of [
      ["/var/lib/evs", "ext4"],
      ["/home/ada/data", "nfs4"],
      ["/home", "nfs4"],
      ["/homes/ada", "ext4"],
      ["/home/ada/local/data", "xfs"],
      ["/mnt/two words/data", "cifs"],
      ["/twice/data", "btrfs"],
    ] as const
  ) assert.equal(fileSystemOf(path, MOUNTINFO), type, path);
  assert.equal(fileSystemOf("/x", ""), undefined);
});

Deno.test("checkFileSystem refuses a network file system in words, unless forced, and warns of an overlay", () => {
  const check = (path: string, force = false) =>
    checkFileSystem(path, { mountinfo: MOUNTINFO, force });
  for (const path of ["/home/ada/data", "/mnt/two words/data", "/ssh/data"]) {
    assert.throws(() => check(path), { code: "datadir/unsafe", message: /network file system/ });
    assert.match(check(path, true)!, /network file system/);
  }
  assert.match(check("/box/data")!, /overlay/);
  for (const path of ["/var/lib/evs", "/home/ada/local/data", "/twice/data", "/phone/data"]) {
    assert.equal(check(path), undefined, path);
  }
});

Deno.test("fileSizeLimit reads the soft limit", () => {
  const limits = (soft: string) =>
    `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max file size             ${soft.padEnd(20)} unlimited            bytes     
`;
  assert.equal(fileSizeLimit(limits("unlimited")), undefined);
  assert.equal(fileSizeLimit(limits("2048000")), 2_048_000);
  assert.equal(fileSizeLimit(""), undefined);
});
