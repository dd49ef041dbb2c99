import { verifyDownloadTicket } from '@bms/auth';
import { adminService, BmsError, models, modelService, Reason } from '@bms/contracts';
import { createClient } from '@bms/transport';
import { AdminUnderTest } from '../admin.testkit';

const GET_MODEL = '/bms.models.v1.ModelService/GetModel';
const ref = (version: bigint): models.VersionRef => ({ tenant: 'default', model: 'digits', version });
const sha256 = (version: bigint): string => String(version).repeat(64);
const DETAIL = modelService.ModelDetail.create({
  model: { tenant: 'default', name: 'digits', activeVersion: 2n, labels: { stable: 1n } },
  versions: [1n, 2n, 3n].map((version) => ({
    version: {
      ref: ref(version),
      state: version === 3n ? models.VersionState.DELETED : models.VersionState.PUBLISHED,
      artifact: { files: ['a', 'b'].map((path) => ({ path, sizeBytes: 5n, sha256: sha256(version) })) },
    },
  })),
});

describe('CreateDownload', () => {
  let admin: AdminUnderTest;
  const ask = async (request: Partial<adminService.CreateDownloadRequest>) =>
    createClient(adminService.AdminServiceDefinition, admin.channel).createDownload(
      adminService.CreateDownloadRequest.create(request),
      admin.trusted(),
    );

  beforeEach(async () => {
    admin = await AdminUnderTest.start();
    admin.registry.answers.set(GET_MODEL, () => modelService.GetModelResponse.encode({ model: DETAIL }).finish());
  });
  afterEach(() => admin.stop());

  it.each([
    ['a number', { ref: ref(1n) }, 1n],
    ['a label', { ref: ref(0n), label: 'stable' }, 1n],
    ['nothing: the active version', { ref: ref(0n) }, 2n],
  ])(
    'gives a ticket for the blobs of the version named by %s, and says where they are',
    async (_name, wish, version) => {
      const answer = await ask(wish);
      expect(answer.version?.ref).toEqual(ref(version));
      expect(answer.blobAddresses).toEqual([admin.registry.address]);
      await expect(verifyDownloadTicket(admin.token, answer.ticket, Date.now())).resolves.toMatchObject({
        version: Number(version),
        principal: 'ann@desk',
        blobs: [sha256(version)],
      });
    },
  );

  it.each([
    ['a version that is not there', { ref: ref(9n) }, Reason.VERSION_NOT_FOUND, 'no version default/digits@9'],
    ['a label that is not there', { ref: ref(0n), label: 'x' }, Reason.LABEL_NOT_FOUND, 'no label "x"'],
    ['a deleted version', { ref: ref(3n) }, Reason.VERSION_NOT_FOUND, 'default/digits@3 is deleted'],
    ['a version and a label', { ref: ref(1n), label: 'x' }, Reason.INVALID_REQUEST, 'a version or a label'],
    ['no model', {}, Reason.INVALID_REQUEST, 'ref.model'],
  ])('gives none for %s', async (_name, wish, reason, sentence) => {
    const refusal = await ask(wish).catch((error: unknown) => BmsError.from(error));
    expect(refusal).toMatchObject({ reason, message: expect.stringContaining(sentence) as unknown });
  });

  it('passes on that there is no such model', async () => {
    admin.registry.answers.set(GET_MODEL, () => {
      throw new BmsError(Reason.MODEL_NOT_FOUND, 'there is no model digits');
    });
    await expect(ask({ ref: ref(1n) })).rejects.toMatchObject({ reason: Reason.MODEL_NOT_FOUND });
  });

  it('needs the service token, and leaves a trace', async () => {
    const client = createClient(adminService.AdminServiceDefinition, admin.channel);
    await expect(client.createDownload({ ref: ref(1n), label: '' })).rejects.toMatchObject({
      reason: Reason.UNAUTHENTICATED,
    });
    await ask({ ref: ref(1n) });
    const { entries } = await client.listAuditEntries({ tenant: 'default', limit: 0 });
    expect(entries.map(({ method, subject, outcome }) => [method, subject, outcome])).toEqual([
      ['/bms.admin.v1.AdminService/CreateDownload', 'default/digits@1', 'OK'],
    ]);
  });
});
