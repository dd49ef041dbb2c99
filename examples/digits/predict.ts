/**
 * Predicts a few handwritten digits through a running mesh and prints each picture with the answer.
 *
 *   npx tsx examples/digits/predict.ts                      three pictures
 *   npx tsx examples/digits/predict.ts 42 1000              these pictures, of 0 to 1796
 *   npx tsx examples/digits/predict.ts --port-base 18500    of a mesh that was started with that (or BMS_PORT_BASE)
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BmsClient } from '@bms/sdk';

const SIDE = 8;
const PIXELS = SIDE * SIDE;
const SHADES = [' ', '░', '▒', '▓', '█'];

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { 'port-base': { type: 'string', default: process.env['BMS_PORT_BASE'] ?? '8500' } },
    allowPositionals: true,
  });
  const samples = positionals.length > 0 ? positionals.map(Number) : [900, 1200, 1500];
  const pictures = readPictures();
  const chosen = samples.map((sample) => {
    const picture = pictures[sample];
    if (picture === undefined) throw new Error(`there is no picture ${sample}: 0 to ${pictures.length - 1} are there`);
    return picture;
  });

  const client = new BmsClient({ router: `127.0.0.1:${values['port-base']}` });
  try {
    // All pictures in one request: the model's batch dimension is free. Pixels go as they are, 0 to 16.
    const { outputs, version, servedBy } = await client.infer({
      model: 'digits',
      inputs: {
        pixels: { datatype: 'FP32', shape: [chosen.length, PIXELS], data: chosen.flatMap(({ pixels }) => pixels) },
      },
    });
    const { label, probabilities } = outputs;
    if (label?.datatype !== 'INT64' || probabilities?.datatype !== 'FP32') throw new Error('this is not the example');
    console.log(`digits@${version}, answered by worker ${servedBy}:`);
    chosen.forEach(({ digit, pixels }, at) => {
      const answer = Number(label.data[at]);
      const share = probabilities.data[at * 10 + answer] ?? 0;
      console.log(
        `\n${draw(pixels)}\n  picture ${samples[at]} is a ${digit}; the answer is ${answer}, ${percent(share)}`,
      );
    });
  } finally {
    client.close();
  }
}

interface Picture {
  /** What the writer meant. */
  readonly digit: number;
  readonly pixels: readonly number[];
}

/** A line of data/digits.csv is: 1 where it was held out from training, the digit, 64 pixels. */
function readPictures(): readonly Picture[] {
  const lines = readFileSync(join(__dirname, 'data', 'digits.csv'), 'utf8')
    .trim()
    .split('\n');
  return lines.slice(1).map((line) => {
    const [, digit = NaN, ...pixels] = line.split(',').map(Number);
    return { digit, pixels };
  });
}

function draw(pixels: readonly number[]): string {
  const shades = pixels.map((pixel) => SHADES[Math.round((pixel / 16) * (SHADES.length - 1))]?.repeat(2) ?? '');
  return Array.from({ length: SIDE }, (_, row) => `  ${shades.slice(row * SIDE, (row + 1) * SIDE).join('')}`).join(
    '\n',
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
