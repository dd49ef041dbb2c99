import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  BmsError,
  CallMetadata,
  DEFAULT_TENANT,
  inference,
  parseTenantId,
  reasonName,
  type TenantId,
} from '@bms/contracts';
import { jsonOfResponse, requestOfJson, type JsonForm } from '@bms/tensor';
import { httpStatusOf, type Bytes } from '@bms/transport';
import { answerFacts } from './answer-facts';
import type { Catalog } from './catalog/catalog';
import { findModel, findVersion, requirePublished } from './catalog/resolve-version';
import type { VersionEntry } from './catalog/route-table';
import type { Clock } from './clock';
import { newProgress, withRequestId, type CallProgress, type InferResult, type RequestBody } from './infer-call';
import type { Infer } from './infer.stack';
import type { ByteBudget } from './layers/bound-bytes';
import type { Refuse } from './layers/observe';
import { requestIdOf } from './request-id';
import { HttpAnswer } from './rest/http-answer';
import { readBody } from './rest/request-body';
import { parseRestPath, REST_ADDRESSES, type RestTarget } from './rest/rest-path';
import { modelMetadata, modelStatus } from './rest/tensorflow-answers';

export interface RestHandlerOptions {
  readonly infer: Infer;
  readonly refuse: Refuse;
  readonly catalog: Pick<Catalog, 'current'>;
  /** Whether a call to the version would be sent at once. */
  readonly isReady: (version: VersionEntry) => boolean;
  readonly budget: ByteBudget;
  /** The largest body taken, also unfolded. */
  readonly messageLimitBytes: number;
  readonly clock: Clock;
  readonly newRequestId: () => string;
  /** How long a call may take: HTTP has no deadline. */
  readonly defaultDeadlineMs: number;
  /** Told of errors outside of predictions that callers only see as an internal error. */
  readonly onInternalError: (error: unknown, path: string) => void;
}

/** Names a request in its answer, as proxies and others do. */
const REQUEST_ID_HEADER = 'x-request-id';
/** The error's reason, for programs: the body is TensorFlow Serving's, which has none. */
const REASON_HEADER = 'bms-reason';

interface RestRequest {
  readonly http: IncomingMessage;
  readonly answer: HttpAnswer;
  readonly requestId: string;
  /** The caller waits for "100 Continue" before it sends the body. */
  readonly asked: boolean;
}

/** TensorFlow Serving's REST interface, https://www.tensorflow.org/tfx/serving/api_rest. */
export class RestHandler {
  constructor(private readonly options: RestHandlerOptions) {}

  /** @param asked whether the caller waits for "100 Continue" before it sends the body */
  handle(http: IncomingMessage, response: ServerResponse, asked: boolean): void {
    const requestId = requestIdOf(headerOf(http, REQUEST_ID_HEADER), this.options.newRequestId);
    const answer = new HttpAnswer(http, response);
    answer.header(REQUEST_ID_HEADER, requestId);
    this.answer({ http, answer, requestId, asked }).catch((error: unknown) => {
      const { reason, message, retryAfterMs } = withRequestId(error, requestId);
      answer.header(REASON_HEADER, reasonName(reason));
      if (retryAfterMs !== undefined)
        answer.header('retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1_000))));
      answer.json(httpStatusOf(reason), { error: message });
    });
  }

  private async answer(request: RestRequest): Promise<void> {
    const { http, answer } = request;
    const [path = ''] = (http.url ?? '').split('?');
    const target = parseRestPath(path);
    if (target === undefined) {
      answer.json(404, { error: `there is no ${JSON.stringify(path.slice(0, 200))} here: there is ${REST_ADDRESSES}` });
    } else if (http.method !== target.method && !(http.method === 'HEAD' && target.method === 'GET')) {
      answer.header('allow', target.method === 'GET' ? 'GET, HEAD' : target.method);
      answer.json(405, { error: `${http.method} is not allowed here: ${target.method} is` });
    } else if (target.kind === 'predict') {
      answer.send(200, await this.predict(request, target));
    } else {
      answer.json(200, this.described(http, target, path));
    }
  }

  private described(http: IncomingMessage, target: RestTarget, path: string): unknown {
    try {
      return this.describe(http, target);
    } catch (error) {
      if (!BmsError.is(error)) this.options.onInternalError(error, path);
      throw error;
    }
  }

  private describe(http: IncomingMessage, { kind, model }: RestTarget): unknown {
    const { current } = this.options.catalog;
    const tenant = tenantOf(http);
    if (kind === 'metadata') {
      const version = findVersion(current, tenant, model);
      requirePublished(version);
      return modelMetadata(version);
    }
    const versions =
      model.selector.kind === 'active'
        ? [...findModel(current, tenant, model.name).versions.values()]
        : [findVersion(current, tenant, model)];
    return modelStatus(versions, this.options.isReady);
  }

  private async predict(request: RestRequest, target: RestTarget): Promise<Bytes> {
    const { http, answer, requestId } = request;
    const { infer, clock, budget, defaultDeadlineMs } = this.options;
    const progress = newProgress();
    const held = { bytes: 0 };
    let result: InferResult | undefined;
    try {
      const json = await this.readJson(request, progress, held);
      result = await infer({
        protocol: 'tensorflow-rest',
        requestId,
        progress,
        credentials: {
          authorization: http.headers.authorization,
          tenant: headerOf(http, CallMetadata.tenant),
          principal: headerOf(http, CallMetadata.principal),
        },
        model: target.model,
        parameters: new Map(),
        deadlineMs: clock.nowMs() + defaultDeadlineMs,
        signal: answer.gone,
        body: bodyOfJson(json),
      });
      return result.body;
    } finally {
      budget.giveBack(held.bytes);
      for (const [name, value] of answerFacts(progress, result)) answer.header(name, value);
    }
  }

  /** @param held what is taken of the budget so far */
  private async readJson(request: RestRequest, progress: CallProgress, held: { bytes: number }): Promise<Bytes> {
    const { http, answer, requestId, asked } = request;
    const { budget, messageLimitBytes, refuse } = this.options;
    try {
      return await readBody(http, {
        limitBytes: messageLimitBytes,
        onStart: () => {
          if (asked) answer.sendOn();
        },
        onBytes: (bytes) => {
          budget.take(bytes);
          held.bytes += bytes;
        },
      });
    } catch (error) {
      throw refuse({ protocol: 'tensorflow-rest', requestId, progress }, error);
    }
  }
}

/** The answer has the form, rows or columns, that the request had. */
function bodyOfJson(json: Bytes): RequestBody {
  let form: JsonForm = { kind: 'column' };
  return {
    kind: 'foreign',
    toOip: ({ model, version, signature }) => {
      const read = requestOfJson(json, signature, { modelName: model, modelVersion: String(version) });
      form = read.form;
      return inference.ModelInferRequest.encode(read.request).finish();
    },
    fromOip: (body) => Buffer.from(jsonOfResponse(inference.ModelInferResponse.decode(body), form)),
  };
}

function tenantOf(http: IncomingMessage): TenantId {
  const tenant = headerOf(http, CallMetadata.tenant);
  return tenant === undefined ? DEFAULT_TENANT : parseTenantId(tenant, CallMetadata.tenant);
}

function headerOf(http: IncomingMessage, name: string): string | undefined {
  const value = http.headers[name];
  return typeof value === 'string' ? value : value?.[0];
}
