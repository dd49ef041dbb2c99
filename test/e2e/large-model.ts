import { once } from 'node:events';
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildOnnxModel } from '@bms/onnx-inspect/testkit';

/** Three tables of 1 GiB: a file with all weights inside could hold 2 GiB at most. */
const TABLES = 3;
const ROWS = 262_144;
const COLUMNS = 1_024;
const ROW_BYTES = COLUMNS * 4;
const ROWS_A_CHUNK = 1_024;
const DATA_FILE = 'weights.data';

export const LARGE_MODEL_BYTES = TABLES * ROWS * ROW_BYTES;

/** What stands in every column of a row. Small integers, so that sums of them are exact. */
function valueOf(table: number, row: number): number {
  return (row % 65_521) * (table + 1);
}

/** What the model answers for a row, in each of its columns. */
export function expectedAnswer(row: number): number {
  return Array.from({ length: TABLES }, (_, table) => valueOf(table, row)).reduce((sum, value) => sum + value, 0);
}

export const LARGE_MODEL_COLUMNS = COLUMNS;
export const LARGE_MODEL_ROWS = ROWS;

/**
 * Writes a model that adds up one row of each of its tables, chosen by its input, with the tables in a file of its own. The
 * runtime lays out nothing anew for it: it takes about the file's size of memory.
 */
export async function writeLargeModel(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const tables = Array.from({ length: TABLES }, (_, table) => `table-${table}`);
  const model = buildOnnxModel({
    inputs: [{ name: 'row', type: 'INT64', shape: [1] }],
    outputs: [{ name: 'sum', type: 'FP32', shape: [1, COLUMNS] }],
    nodes: [
      ...tables.map((table) => ({ op: 'Gather', inputs: [table, 'row'], outputs: [`${table}-row`] })),
      { op: 'Sum', inputs: tables.map((table) => `${table}-row`), outputs: ['sum'] },
    ],
    initializers: tables.map((name, table) => ({
      name,
      type: 'FP32',
      dims: [ROWS, COLUMNS],
      external: { location: DATA_FILE, offset: table * ROWS * ROW_BYTES, length: ROWS * ROW_BYTES },
    })),
  });
  writeFileSync(join(folder, 'model.onnx'), model);
  await writeWeights(join(folder, DATA_FILE));
}

async function writeWeights(path: string): Promise<void> {
  const file = createWriteStream(path);
  for (let table = 0; table < TABLES; table++) {
    for (let first = 0; first < ROWS; first += ROWS_A_CHUNK) {
      const chunk = new Float32Array(ROWS_A_CHUNK * COLUMNS);
      for (let row = 0; row < ROWS_A_CHUNK; row++) {
        chunk.fill(valueOf(table, first + row), row * COLUMNS, (row + 1) * COLUMNS);
      }
      if (!file.write(Buffer.from(chunk.buffer))) await once(file, 'drain');
    }
  }
  file.end();
  await once(file, 'close');
}
