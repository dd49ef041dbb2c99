import { describeWithEtcd } from './describe-with-etcd';
import { startEtcdCluster } from './etcd-cluster';
import { startEtcd } from './etcd-process';

describeWithEtcd('an etcd of the test kit', () => {
  it('serves, comes back where it was after a kill, and is gone at the end', async () => {
    const etcd = await startEtcd();
    const health = async (): Promise<unknown> => (await fetch(`http://${etcd.endpoint}/health`)).json();
    expect(await health()).toMatchObject({ health: 'true' });
    await etcd.kill();
    await expect(health()).rejects.toThrow();
    await etcd.start();
    expect(await health()).toMatchObject({ health: 'true' });
    await etcd.dispose();
    await expect(health()).rejects.toThrow();
  });

  it('names the leader of three, and another one when that is killed', async () => {
    const cluster = await startEtcdCluster(3);
    const first = await cluster.leader();
    await first.kill();
    const second = await cluster.leader();
    expect(second).not.toBe(first);
    await cluster.dispose();
  });

  it('says why it does not start', async () => {
    await expect(startEtcd({ flags: ['--no-such-flag'] })).rejects.toThrow('no-such-flag');
  });
});
