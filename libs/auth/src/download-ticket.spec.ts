import { Reason } from '@bms/contracts';
import { signDownloadTicket, verifyDownloadTicket, type DownloadTicket } from './download-ticket';
import { signUploadTicket, verifyUploadTicket } from './upload-ticket';

const ticket: DownloadTicket = { tenant: 'default', model: 'digits', version: 2, principal: 'ann', blobs: ['abc'] };
const NOW_MS = 1_800_000_000_000;

describe('a download ticket', () => {
  it('tells any holder of the token what it allows', async () => {
    const signed = await signDownloadTicket('secret', ticket, NOW_MS + 60_000);
    await expect(verifyDownloadTicket('secret', signed, NOW_MS)).resolves.toMatchObject(ticket);
  });

  it.each([
    ['too old', async () => signDownloadTicket('secret', ticket, NOW_MS - 1_000)],
    ['signed with another token', async () => signDownloadTicket('other', ticket, NOW_MS + 60_000)],
    ['empty', async () => ''],
    ['an upload ticket', async () => signUploadTicket('secret', { ...ticket, blobs: { abc: 5 } }, NOW_MS + 60_000)],
  ])('is refused when it is %s', async (_name, make) => {
    await expect(verifyDownloadTicket('secret', await make(), NOW_MS)).rejects.toMatchObject({
      reason: Reason.UNAUTHENTICATED,
      message: expect.stringContaining('download ticket') as unknown,
    });
  });

  it('is no upload ticket', async () => {
    const signed = await signDownloadTicket('secret', ticket, NOW_MS + 60_000);
    await expect(verifyUploadTicket('secret', signed, NOW_MS)).rejects.toMatchObject({
      reason: Reason.UNAUTHENTICATED,
    });
  });
});
