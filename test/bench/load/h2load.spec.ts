import { readReport } from './h2load';

const REPORT = `finished in 513.05ms, 17776.00 req/s, 251.25KB/s
requests: 8888 total, 8920 started, 8888 done, 8880 succeeded, 8 failed, 0 errored, 0 timeout
status codes: 8880 2xx, 0 3xx, 0 4xx, 8 5xx
traffic: 125.62KB (128639) total, 44.05KB (45104) headers (space savings 97.65%), 720.00KB (737280) data
`;

describe("h2load's report", () => {
  it('tells answers, those that are not 2xx, the speed and the bytes of data', () => {
    expect(readReport(REPORT)).toEqual({ answers: 8888, failed: 8, perSecond: 17_776, dataBytes: 737_280 });
  });

  it('that lacks something is refused with what it lacks', () => {
    expect(() => readReport('nothing was measured')).toThrow(/no number of requests done/);
  });
});
