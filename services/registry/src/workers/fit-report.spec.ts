import type { ReportedRecord } from '../records/values';
import { fitReport, ReportTooLargeError } from './fit-report';

function failed(replicas: number, reasonCharacters: number): ReportedRecord {
  const replica = {
    tenant: 'default',
    version: 1,
    state: 'failed' as const,
    sinceMs: 1,
    reason: 'x'.repeat(reasonCharacters),
    memoryBytes: 0,
    unwarmed: false,
    provider: 'cpu',
    fellBack: false,
  };
  return {
    incarnation: 'first',
    generation: 1,
    memory: { totalBytes: 1, freeBytes: 1, residentBytes: 1 },
    deviceFailure: '',
    replicas: Array.from({ length: replicas }, (_, at) => ({ ...replica, model: `model-${at}` })),
  };
}

describe('fitReport', () => {
  it.each([
    ['leaves the reasons of few replicas whole', 100, 2_000],
    ['cuts the reasons of many replicas to 200 characters', 1_000, 200],
    ['cuts them to 40 characters where there are still more', 5_000, 40],
  ])('%s', (_, replicas, characters) => {
    const fitted = fitReport(failed(replicas, 2_000));
    expect(fitted.replicas).toHaveLength(replicas);
    expect(fitted.replicas[0]?.reason).toHaveLength(characters);
  });

  it('refuses more replicas than one record can hold', () => {
    expect(() => fitReport(failed(20_000, 10))).toThrow(ReportTooLargeError);
  });
});
