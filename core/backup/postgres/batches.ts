/** Cuts rows into batches that a statement can take, whatever they weigh. */

/** Rows of a batch, at most, and about how many bytes. */
const [ROWS, BYTES] = [1000, 1024 * 1024];

/** The rows in batches, in their order. */
export function* batchesOf<Row extends object>(rows: Iterable<Row>): Generator<Row[]> {
  let batch: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    batch.push(row);
    bytes += weightOf(row);
    if (batch.length < ROWS && bytes < BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

/** About how many bytes the values of a row have. */
export function weightOf(row: object): number {
  let bytes = 0;
  for (const value of Object.values(row)) {
    if (typeof value === "string" || value instanceof Uint8Array) bytes += value.length;
  }
  return bytes;
}
