import type { InferRequest, ModelReference } from '@bms/sdk';
import { digitsRequest } from '../digits/digits-answer';
import { DIGITS, DIGITS_MODEL, readExpected, readHeldOut, type ExpectedAnswers } from '../digits/digits-data';
import { measuredVersions } from '../digits/measured-versions';
import { readRequest, readSignature } from '../predict/predict-file';
import type { Session } from '../verb';
import { AnswerCheck, type Outputs } from './answer-check';
import { madeUpInputs, seededRandom } from './made-up-inputs';

/** What a load sends, over and over, and how it knows right from wrong. */
export interface LoadRequests {
  readonly requests: readonly InferRequest[];
  readonly check: AnswerCheck;
  /** What is sent and what it is compared with, for people. */
  readonly description: string;
}

/** So many different made-up requests that a cached or mixed-up answer is noticed. */
const MADE_UP_REQUESTS = 16;
const SEED = 1;

/**
 * Prepares a load's requests: those of a file; the held-out pictures where the model has a version of the digits example; else
 * made-up inputs. Each is sent once where nothing tells what to expect, so that what the model refuses is said before the start.
 */
export async function prepareLoadRequests(
  session: Session,
  reference: ModelReference,
  inputFile: string | undefined,
): Promise<LoadRequests> {
  const prepared =
    inputFile === undefined
      ? ((await digitsRequests(session, reference)) ?? (await madeUpRequests(session, reference)))
      : await fileRequests(session, reference, inputFile);
  await probe(session, prepared);
  return prepared;
}

async function digitsRequests(session: Session, reference: ModelReference): Promise<LoadRequests | undefined> {
  const { byVersion, knownBy } = await measuredVersions(session, reference.model);
  if (byVersion.size === 0 && reference.model !== DIGITS_MODEL) return undefined;
  const pictures = readHeldOut();
  const known = new Map([...byVersion].map(([version, measured]) => [version, outputsOf(readExpected(measured))]));
  const versions = [...byVersion.keys()].map((version) => `${reference.model}@${version}`).join(' and ');
  return {
    requests: pictures.map((picture) => digitsRequest(reference, [picture])),
    check: new AnswerCheck(known),
    description:
      `the ${pictures.length} held-out pictures of the digits example` +
      (versions === '' ? '' : `; what ${versions} have to answer was measured beforehand`) +
      (knownBy === 'number'
        ? ' (admin does not answer, so the versions are taken for those that npm start imports)'
        : ''),
  };
}

async function madeUpRequests(session: Session, reference: ModelReference): Promise<LoadRequests> {
  const signature = await readSignature(session, reference);
  const random = seededRandom(SEED);
  return {
    requests: Array.from({ length: MADE_UP_REQUESTS }, () => ({
      ...reference,
      inputs: madeUpInputs(signature, random),
    })),
    check: new AnswerCheck(new Map()),
    description: `${MADE_UP_REQUESTS} made-up inputs that fit the model's signature; ${FIRST_ANSWERS}`,
  };
}

async function fileRequests(session: Session, reference: ModelReference, file: string): Promise<LoadRequests> {
  return {
    requests: [{ ...reference, ...(await readRequest(session, reference, file)) }],
    check: new AnswerCheck(new Map()),
    description: `the request in ${file}; ${FIRST_ANSWERS}`,
  };
}

const FIRST_ANSWERS = 'the first answers of each version count as right, later ones have to be the same';

/** Sends what has no known answer, and at least one request, before the clock runs. */
async function probe({ client, signal }: Session, { requests, check }: LoadRequests): Promise<void> {
  const [first, ...others] = requests;
  if (first === undefined) throw new Error('a load needs a request');
  check.difference(0, await client.infer(first, { signal }));
  if (check.trustedVersions.length === 0) return;
  for (const [at, request] of others.slice(0, MADE_UP_REQUESTS).entries()) {
    check.difference(at + 1, await client.infer(request, { signal }));
  }
}

function outputsOf({ answers }: ExpectedAnswers): readonly Outputs[] {
  return answers.map(({ label, probabilities }) => ({
    probabilities: { datatype: 'FP32', shape: [1, DIGITS], data: probabilities },
    label: { datatype: 'INT64', shape: [1], data: BigInt64Array.of(BigInt(label)) },
  }));
}
