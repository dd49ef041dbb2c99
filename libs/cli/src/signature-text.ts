import type { models } from '@bms/contracts';
import { describeSpec } from '@bms/tensor';
import { table } from './table';

/** A line for each input and output of a model. */
export function signatureText({ inputs, outputs }: models.Signature): string {
  const rows = [
    ...inputs.map((spec) => ({ direction: 'in', spec })),
    ...outputs.map((spec) => ({ direction: 'out', spec })),
  ];
  return table(rows, [
    { title: '', cell: ({ direction }) => direction },
    { title: 'NAME', cell: ({ spec }) => spec.name },
    { title: 'DATATYPE', cell: ({ spec }) => spec.datatype },
    { title: 'SHAPE', cell: ({ spec }) => describeSpec(spec) },
  ]);
}
