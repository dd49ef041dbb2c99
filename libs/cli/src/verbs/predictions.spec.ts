import { BmsError, Reason } from '@bms/contracts';
import { CommandLineUnderTest, type CommandResult } from '../command-line.testkit';
import { digitsModel, FakeRouter } from '../fake-router.testkit';

let bms: CommandLineUnderTest;
let router: FakeRouter;
beforeEach(async () => {
  bms = await CommandLineUnderTest.start();
  router = await FakeRouter.start();
  bms.env = { BMS_ROUTER: router.address };
  bms.mesh.models.getModel = async ({ model }) => digitsModel(model);
});
afterEach(async () => {
  await router.close();
  await bms.stop();
});

describe('bms predict', () => {
  it('draws a picture with the answer beside it', async () => {
    const { stdout, exitCode } = await bms.run('predict', 'digits', '--sample', '1000');
    expect(exitCode).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('Picture 1000 of the held-out half, a 1');
    expect(lines[1]).toMatch(/^\+-{16}\+ {3}0 /);
    expect(stdout).toMatch(/1 #{20,24} +9\d\.\d%  the answer, the truth/);
    expect(stdout).toMatch(/^digits@2 says 1 \(9\d\.\d%\): right$/m);
    expect(stdout).toMatch(/^Answered by worker worker-0 in/m);
  });

  it('draws with blocks where the terminal can show them', async () => {
    bms.env['LANG'] = 'en_US.UTF-8';
    expect((await bms.run('predict', 'digits', '--sample', '1000')).stdout).toMatch(/^┌─{16}┐/m);
  });

  it('answers as JSON', async () => {
    const { stdout } = await bms.run('predict', 'digits@1', '--sample', '899', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ model: 'digits', version: 1, sample: 899, heldOut: true, truth: 8, isRight: false },
      ...{ servedBy: 'worker-0', attempts: 1, probabilities: { length: 10 } },
    });
  });

  it('predicts the held-out half with every version and finds what was measured', async () => {
    const { stdout, exitCode } = await bms.run('predict', 'digits', '--held-out');
    expect(stdout).toMatch(/digits@1 +840 of 899 +93\.4% +93\.4%: the same, probabilities within \S+ +softmax/);
    expect(stdout).toMatch(/digits@2 +885 of 899 +98\.4% +98\.4%: the same/);
    expect(exitCode).toBe(0);
  });

  it('fails where the held-out half is not predicted as it was measured', async () => {
    router.change = (probabilities) => (probabilities[0] = 0.123);
    const { stdout, stderr, exitCode } = await bms.run('predict', 'digits@2', '--held-out');
    expect(exitCode).toBe(1);
    expect(stdout).toContain('98.4%: NOT the same');
    expect(stderr).toMatch(/^bms: not as measured: digits@2: a probability is 0\.\d+ off, more than 0\.0001/);
  });

  it('scores a version that is not the example’s without comparing it', async () => {
    bms.mesh.models.getModel = async () => ({ model: undefined });
    const { stdout, exitCode } = await bms.run('predict', 'digits@7', '--held-out', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { version: 7, pictures: 899, measuredCorrect: null, isAsMeasured: null },
    ]);
  });

  it('takes the numbers for granted while admin does not answer', async () => {
    bms.env['BMS_ADMIN'] = '127.0.0.1:1';
    const { stdout, exitCode } = await bms.run('predict', 'digits@1', '--held-out');
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('93.4%: the same')]);
  });

  it.each([
    ['rows', { instances: [Array.from({ length: 64 }, () => 0)] }],
    ['the form of gRPC', tensorOf({ contents: { fp32_contents: Array.from({ length: 64 }, () => 0) } })],
    ['the form of REST', tensorOf({ data: Array.from({ length: 64 }, () => 0) })],
  ])('predicts a file: %s', async (_, body) => {
    const { stdout, exitCode } = await bms.run(
      'predict',
      'digits',
      '--input',
      bms.file('x.json', JSON.stringify(body)),
    );
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      ...{ model: 'digits', version: 2, servedBy: 'worker-0' },
      outputs: {
        probabilities: { datatype: 'FP32', shape: [1, 10], data: [[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]] },
        label: { datatype: 'INT64', shape: [1], data: [0] },
      },
    });
  });

  it.each([
    [['--sample', '1797'], 2, '--sample is "1797": the number of a picture is allowed, 0 to 1796'],
    [['--sample', 'x'], 2, '--sample is "x": the number of a picture is allowed, 0 to 1796'],
    [['--input', 'none.json'], 2, '--input: none.json cannot be read (ENOENT)'],
    [[], 2, 'one of --sample N, --input FILE and --held-out is needed'],
    [['--sample', '1', '--held-out'], 2, 'one of --sample N, --input FILE and --held-out is needed'],
  ])('says what is allowed: %j', async (flags, code, sentence) => {
    const { stderr, exitCode } = await bms.run('predict', 'digits', ...flags);
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(sentence)]);
  });

  it('says what the router refuses', async () => {
    router.fail = () => new BmsError(Reason.MODEL_NOT_FOUND, 'there is no model digit');
    const { stderr, exitCode } = await bms.run('predict', 'digit', '--sample', '1');
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/there is no model digit\n +"npx bms models"/)]);
  });
});

describe('bms load', () => {
  const load = async (...flags: readonly string[]): Promise<CommandResult> =>
    bms.run('load', 'digits', '--rate', '400', '--seconds', '0.25', ...flags);
  const summaryOf = (stdout: string): unknown => {
    const last = stdout.trimEnd().split('\n').at(-1) ?? '';
    return (JSON.parse(last) as { readonly summary: unknown }).summary;
  };

  it('checks every answer and says who gave it', async () => {
    const { stdout, stderr, exitCode } = await load();
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Sending the 899 held-out pictures .* digits@1 and digits@2 have to answer was measured/);
    expect(stdout).toMatch(/^ +1 s  requests \d+  failed 0  wrong 0  p50 .* answers worker-\d \d+, worker-\d \d+$/m);
    expect(stdout).toMatch(/^Sent 100 requests in \d\.\d s: 100 right answers, 0 failed, 0 wrong$/m);
    expect(stdout).toMatch(/^Answers by version: 2 100$/m);
  });

  it('answers as JSON, a line a second and one at the end', async () => {
    const { stdout } = await load('--json');
    const [first = ''] = stdout.split('\n');
    expect(JSON.parse(first)).toMatchObject({ second: 1, failed: 0, wrong: 0, workers: expect.anything() });
    expect(summaryOf(stdout)).toMatchObject({
      ...{ sent: 100, right: 100, failed: 0, wrong: 0, abandoned: 0, trustedVersions: [], failures: {} },
      versions: { 2: 100 },
    });
  });

  it('notices a single wrong answer', async () => {
    router.change = (probabilities, call) => {
      if (call === 50) probabilities[4] = 0.5;
    };
    const { stdout, stderr, exitCode } = await load('--json');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('0 requests failed, 1 answers were wrong');
    expect(summaryOf(stdout)).toMatchObject({
      ...{ right: 99, wrong: 1 },
      firstDifference: expect.stringMatching(/^probabilities\[4\] is 0\.5, not .* \(version 2, worker worker-0\)$/),
    });
  });

  it('holds each answer to the version that gave it', async () => {
    router.activeVersion = (call) => (call % 2 === 0 ? 1 : 2);
    const { stdout, exitCode } = await load('--json');
    expect([exitCode, summaryOf(stdout)]).toEqual([0, expect.objectContaining({ right: 100, wrong: 0 })]);
    expect(summaryOf(stdout)).toMatchObject({ versions: { 1: expect.any(Number), 2: expect.any(Number) } });
  });

  it('counts failures by their reason and tries nothing again', async () => {
    router.fail = (call) => (call === 10 || call === 20 ? new BmsError(Reason.NOT_READY, 'no replica') : undefined);
    const { stdout, stderr, exitCode } = await load('--json');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('2 requests failed, 0 answers were wrong')]);
    expect(summaryOf(stdout)).toMatchObject({
      ...{ sent: 100, right: 98, failed: 2 },
      failures: { NOT_READY: { count: 2, example: 'no replica' } },
    });
  });

  it('tries again where told to, and says so', async () => {
    router.fail = (call) => (call === 10 ? new BmsError(Reason.NOT_READY, 'no replica') : undefined);
    const { stdout, exitCode } = await load('--json', '--attempts', '5');
    expect([exitCode, summaryOf(stdout)]).toEqual([0, expect.objectContaining({ right: 100, triedAgain: 1 })]);
  });

  it('ends on Ctrl-C with the summary', async () => {
    const result = bms.run('load', 'digits', '--rate', '100', '--seconds', '600');
    router.change = (_, call) => {
      if (call === 5) bms.pressCtrlC();
    };
    const { stdout, exitCode } = await result;
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^Sent \d+ requests in 0\.\d s/m)]);
  });

  it('compares a model that it does not know with its own first answers, and says so', async () => {
    bms.mesh.models.getModel = async ({ model }) => {
      throw new BmsError(Reason.MODEL_NOT_FOUND, model);
    };
    router.change = (probabilities, call) => {
      if (call === 60) probabilities[0] = 0.5;
    };
    const { stdout, exitCode } = await bms.run('load', 'mine', '--rate', '400', '--seconds', '0.25');
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^Sending 16 made-up inputs .* the first answers of each version count as right/);
    expect(stdout).toMatch(/^Version 2: compared with its own first answers$/m);
    expect(stdout).toMatch(/^First wrong answer: probabilities\[0\] is 0\.5, not 1 \(version 2/m);
  });

  it('sends the request of a file', async () => {
    const file = bms.file('x.json', JSON.stringify({ instances: [Array.from({ length: 64 }, () => 1)] }));
    const { stdout, exitCode } = await load('--input', file);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining(`Sending the request in ${file}`)]);
  });

  it('says before it starts what the model refuses', async () => {
    router.fail = () => new BmsError(Reason.VERSION_OFFLINE, 'digits@2 is offline');
    const { stdout, stderr, exitCode } = await load();
    expect([exitCode, stdout, stderr]).toEqual([1, '', expect.stringContaining('digits@2 is offline')]);
  });

  it('refuses a rate that is none', async () => {
    const { stderr, exitCode } = await load('--rate', 'fast');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('--rate is "fast"')]);
  });
});

function tensorOf(values: object): object {
  return { inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], ...values }] };
}
