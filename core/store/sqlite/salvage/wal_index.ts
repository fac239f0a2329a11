/**
 * Tells from the index of a write-ahead log (`-shm`) that frames of the log are missing. The index
 * is only there where nobody closed the database, after a kill; it says how many frames were written
 * (https://sqlite.org/walformat.html#the_wal_index_file_format). No I/O.
 */

/** Bytes of a log's header, and of each frame's header. */
const [HEADER, FRAME_HEADER] = [32, 24];
/** The index begins with two copies of what it says of the log. */
const COPY = 48;
/** Where a copy has what is read here, and where the log has its salt. */
const AT = { isInit: 12, pageSize: 14, frames: 16, salt: 32 };
const LOG_SALT = 16;

/**
 * How many frames the log lacks of those that its index knows; 0 if it lacks none, or if the index
 * is of another log or says nothing.
 */
export function missingFrames(log: Uint8Array, index: Uint8Array): number {
  if (index.length < 2 * COPY || index[AT.isInit] !== 1) return 0;
  const copies = [index.subarray(0, COPY), index.subarray(COPY, 2 * COPY)];
  // They differ while it is being written.
  if (copies[0]!.some((byte, i) => byte !== copies[1]![i])) return 0;
  const view = new DataView(index.buffer, index.byteOffset, COPY);
  // In the machine's own order: of one that has another one, the frames would be absurd.
  const frames = view.getUint32(AT.frames, true);
  const size = view.getUint16(AT.pageSize, true);
  const pageSize = size === 1 ? 65_536 : size;
  if (pageSize < 512) return 0;
  if (log.length >= HEADER) {
    const salt = index.subarray(AT.salt, AT.salt + 8);
    if (salt.some((byte, i) => byte !== log[LOG_SALT + i])) return 0;
  }
  const there = Math.floor(Math.max(0, log.length - HEADER) / (FRAME_HEADER + pageSize));
  return Math.max(0, frames - there);
}
