import { Reason } from '@bms/contracts';
import { modelRecord, versionRecord } from '../watch/mesh-builder.testkit';
import { LABELS_MAX, setLabel, type ModelState } from './model-changes';

describe('setLabel', () => {
  const versions = new Map([[1, versionRecord('m@1')]]);
  const labels = Object.fromEntries(Array.from({ length: LABELS_MAX }, (_, at) => [`label-${at}`, 1]));
  const full: ModelState = { model: modelRecord('m', { labels }), versions };

  it('refuses one label too many, and moves those that are there', () => {
    expect(() => setLabel(full, 'another', 1)).toThrow(expect.objectContaining({ reason: Reason.INVALID_REQUEST }));
    expect(setLabel(full, 'label-7', 1)).toEqual({});
  });

  it('gives a new record and leaves the one before as it was', () => {
    const state: ModelState = { model: modelRecord('m'), versions };
    expect(setLabel(state, 'stable', 1).model?.labels).toEqual({ stable: 1 });
    expect(state.model.labels).toEqual({});
  });
});
