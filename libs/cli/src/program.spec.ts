import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BmsError, CallMetadata, Reason, type modelService } from '@bms/contracts';
import { CommandLineUnderTest } from './command-line.testkit';

describe('bms', () => {
  let bms: CommandLineUnderTest;
  beforeEach(async () => {
    bms = await CommandLineUnderTest.start();
  });
  afterEach(() => bms.stop());
  const failing = (reason: Reason): void => {
    bms.mesh.models.listModels = async () => {
      throw new BmsError(reason, 'told so');
    };
  };

  it.each([[[]], [['--help']], [['-h']]])('shows the verbs and exit codes for %j', async (argv) => {
    const { exitCode, stdout } = await bms.run(...argv);
    expect(exitCode).toBe(0);
    for (const verb of [
      'push',
      'publish',
      'activate',
      'rollback',
      'offline',
      'delete',
      'label',
      'models',
      'versions',
      'status',
      'up',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${verb} `, 'm'));
    }
    expect(stdout).toContain('Exit codes: 0 done; 1 failed; 2 what was typed');
  });

  it('tells its version', async () => {
    const { exitCode, stdout } = await bms.run('--version');
    expect([exitCode, /^\d+\.\d+\.\d+\n$/.test(stdout)]).toEqual([0, true]);
  });

  it.each(['push', 'publish', 'activate', 'rollback', 'offline', 'delete', 'label', 'models', 'versions', 'status'])(
    'has an example and the global options in the help of %s',
    async (verb) => {
      const { exitCode, stdout } = await bms.run(verb, '--help');
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(new RegExp(`Examples?:\\n {2}npx bms ${verb}`));
      expect(stdout).toContain('--json');
    },
  );

  it.each([
    [['explode'], "unknown command 'explode'"],
    [['publsh', 'x@1'], 'Did you mean publish?'],
    [['publish'], "missing required argument 'name@n'"],
    [['publish', 'a@1', 'b@1'], 'too many arguments'],
    [['publish', 'digits'], '"digits" names no version'],
    [['models', '--colour'], "unknown option '--colour'"],
    [['models', '--timeout', 'soon'], '--timeout is "soon"'],
    [['models', '--admin', 'localhost'], '--admin is "localhost": HOST:PORT is allowed'],
    [['models', '--port-base', '0'], '--port-base is "0": a port from 1 to 65000'],
    [['models', '--tenant', 'a/b'], '--tenant: "a/b" is not allowed'],
    [['label', 'digits', '2=2'], 'LABEL: "2" is not allowed: a letter, then'],
    [['rollback', 'digits', '--to', 'x'], '--to: "x" is not a version'],
  ])('ends with 2 and says what is wrong for %j', async (argv, sentence) => {
    const { exitCode, stderr, stdout } = await bms.run(...argv);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(sentence);
    expect(bms.mesh.calls).toEqual([]);
  });

  it.each([
    [Reason.MODEL_NOT_FOUND, 1],
    [Reason.UNAUTHENTICATED, 1],
    [Reason.IN_USE, 1],
    [Reason.INTERNAL, 1],
    [Reason.INVALID_REQUEST, 2],
    [Reason.INVALID_CONFIG, 2],
    [Reason.STORE_UNAVAILABLE, 3],
  ])('ends by the reason: %p with %p', async (reason, expected) => {
    failing(reason);
    const { exitCode, stderr } = await bms.run('models');
    expect(exitCode).toBe(expected);
    expect(stderr.split('\n')[0]).toBe('bms: told so');
  });

  it('ends with 3 where nobody answers, and says what to do', async () => {
    const { exitCode, stderr } = await bms.run('models', '--admin', '127.0.0.1:1');
    expect(exitCode).toBe(3);
    expect(stderr).toBe(
      'bms: no connection to 127.0.0.1:1 (ECONNREFUSED)\n' +
        '     Is the mesh running? "npm start" starts one; --admin, --router or --port-base say where another one is.\n',
    );
  });

  it('ends with 130 on Ctrl-C', async () => {
    bms.mesh.models.listModels = () => {
      bms.pressCtrlC();
      return new Promise(() => undefined);
    };
    expect((await bms.run('models')).exitCode).toBe(130);
  });

  it('gives errors as JSON with --json', async () => {
    failing(Reason.IN_USE);
    const { stderr } = await bms.run('models', '--json');
    const { error } = JSON.parse(stderr) as { readonly error: Readonly<Record<string, unknown>> };
    expect(error).toMatchObject({
      exitCode: 1,
      reason: 'IN_USE',
      sentence: 'told so',
    });
  });

  it('takes global options before the verb as well as behind it, and flags before the environment', async () => {
    bms.env = { BMS_TENANT: 'from-env' };
    await bms.run('--tenant', 'before', 'models');
    await bms.run('models', '--tenant', 'behind');
    await bms.run('--tenant', 'before', 'models', '--tenant', 'behind');
    await bms.run('models');
    const tenants = bms.mesh.requestsOf<modelService.ListModelsRequest>('ListModels').map(({ tenant }) => tenant);
    expect(tenants).toEqual(['before', 'behind', 'behind', 'from-env']);
  });

  it('says who it is, and sends the token of the data folder', async () => {
    const data = join(bms.folder, 'data');
    mkdirSync(data);
    writeFileSync(join(data, 'service-token'), 'from-the-folder\n', { mode: 0o600 });
    await bms.runRaw({ BMS_ADMIN: bms.mesh.address }, ['models', '--data', data]);
    await bms.runRaw({ BMS_ADMIN: bms.mesh.address, BMS_TOKEN: 'from-env' }, ['models', '--data', data]);
    await bms.runRaw({ BMS_ADMIN: bms.mesh.address }, ['models', '--data', join(bms.folder, 'none')]);
    const tokens = bms.mesh.calls.map(({ metadata }) => metadata.get(CallMetadata.authorization));
    expect(tokens).toEqual(['Bearer from-the-folder', 'Bearer from-env', undefined]);
    expect(bms.mesh.calls[0]?.metadata.get(CallMetadata.principal)).toMatch(/^\S+@\S+$/);
  });

  it('does not use a token that others can read', async () => {
    const file = join(bms.folder, 'service-token');
    writeFileSync(file, 'x');
    chmodSync(file, 0o644);
    const { exitCode, stderr } = await bms.runRaw({ BMS_ADMIN: bms.mesh.address }, ['models', '--data', bms.folder]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('chmod 600');
  });

  it('derives addresses from --port-base', async () => {
    const { stderr } = await bms.runRaw({}, ['models', '--port-base', '2', '--data', bms.folder]);
    expect(stderr).toContain('no connection to 127.0.0.1:102');
  });
});
