import { join } from 'node:path';
import { inference } from '@bms/contracts';
import type { FigureName } from '../figures';

/** The figures that need a real model. */
export type ModelFigure = Extract<
  FigureName,
  | 'routed-to-direct-digits'
  | 'routed-to-direct-squeezenet'
  | 'routed-to-direct-own-core'
  | 'efficiency'
  | 'routed-to-bare'
>;

/** A model that takes time, with one input of floats. */
export interface MeasuredModel {
  readonly name: string;
  /** undefined: nobody has said where it is. */
  readonly file: (root: string) => string | undefined;
  /** For people who do not have it. */
  readonly whereFrom: string;
  readonly input: string;
  readonly shape: readonly number[];
  /** Of the requests of a warm-up, since one takes so much longer. */
  readonly warmUpShare: number;
  /** What is told of it. */
  readonly figures: readonly ModelFigure[];
}

/** Names the folder with models that are not part of this project. */
const FOLDER_VARIABLE = 'BMS_BENCH_MODELS';

export const MEASURED_MODELS: readonly MeasuredModel[] = [
  {
    name: 'digits',
    file: (root) => join(root, 'examples/digits/digits-v2.onnx'),
    whereFrom: 'it is the example',
    input: 'pixels',
    shape: [1, 64],
    warmUpShare: 1,
    figures: ['routed-to-direct-digits'],
  },
  {
    name: 'squeezenet',
    file: () => {
      const folder = process.env[FOLDER_VARIABLE];
      return folder === undefined ? undefined : join(folder, 'light_squeezenet.onnx');
    },
    whereFrom: `set ${FOLDER_VARIABLE} to a folder with light_squeezenet.onnx, of the onnx project's test data`,
    input: 'data_0',
    shape: [1, 3, 224, 224],
    warmUpShare: 0.01,
    figures: ['routed-to-direct-squeezenet', 'routed-to-bare', 'efficiency', 'routed-to-direct-own-core'],
  },
];

/** Zeros: how long a run takes does not depend on the values. */
export function modelRequest({ name, input, shape }: MeasuredModel): Uint8Array {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  const tensor = { name: input, datatype: 'FP32', shape: shape.map(BigInt), parameters: {}, contents: undefined };
  const request = { modelName: name, inputs: [tensor], rawInputContents: [new Uint8Array(values.buffer)] };
  return inference.ModelInferRequest.encode(inference.ModelInferRequest.create(request)).finish();
}
