import { randomUUID } from 'node:crypto';
import {
  adminService,
  BmsError,
  CallMetadata,
  DEFAULT_TENANT,
  inference,
  meshService,
  modelService,
  Reason,
} from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { createClient, Metadata, type Channel, type Client } from '@bms/transport';
import { bearer, defaultPrincipal } from './identity';
import { systemClock, type Clock } from './clock';
import { IdentifiedChannel } from './identified-channel';
import { decodeInferResponse, encodeInferRequest, type InferRequest, type InferResult } from './infer';
import { decodeMetadataResponse, encodeMetadataRequest, type ModelDescription } from './model-description';
import type { ModelReference } from './model-reference';
import { pullVersion, type PullOptions, type PullResult } from './pull-version';
import { pushVersion, type PushOptions, type PushResult } from './push-version';
import { RETRY_DEFAULTS, withRetries, type RetryOptions } from './retry';
import { RouterPool } from './router-pool';

export interface BmsClientOptions {
  /** `host:port` of the router's gRPC, or of several routers: the next one is used when one fails. `127.0.0.1:8500` by default. */
  readonly router?: string | readonly string[];
  /** `host:port` of admin's gRPC; `127.0.0.1:8600` by default. */
  readonly admin?: string;
  /** The mesh's service token, for what changes something; predicting and reading on loopback need none. */
  readonly token?: string;
  /** Whose models are meant; `default` by default. */
  readonly tenant?: string;
  /** Who asks, for the audit trail; `user@host` of this process by default. */
  readonly principal?: string;
  /** How predictions are tried again; see {@link RetryOptions}. */
  readonly retry?: RetryOptions;
  /** Milliseconds until a call is given up that brings no bound of its own; 30,000 by default. */
  readonly timeoutMs?: number;
  /** How connections are made; gRPC by default. */
  readonly dial?: (address: string) => Channel;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export interface InferOptions {
  /** Milliseconds from now; the client's `timeoutMs` by default. */
  readonly timeoutMs?: number;
  /** The same as a moment: milliseconds since 1970. Wins over `timeoutMs`. */
  readonly deadlineMs?: number;
  /** Aborting it cancels the call, which then throws CANCELLED. */
  readonly signal?: AbortSignal;
  /** For this call; what it leaves out is taken from the client's. */
  readonly retry?: RetryOptions;
}

export const ROUTER_ADDRESS_DEFAULT = '127.0.0.1:8500';
export const ADMIN_ADDRESS_DEFAULT = '127.0.0.1:8600';
const TIMEOUT_DEFAULT_MS = 30_000;
/**
 * Slower than inside the mesh: a program may hold its own thread for a second, and must not take that for a peer that does not
 * answer. A peer that died is known at once all the same.
 */
const KEEPALIVE = { keepaliveMs: 5_000, keepaliveTimeoutMs: 5_000 };

/**
 * A connection to a mesh: predictions through its router, models and state through its admin. Connects on the
 * first call and again as needed; close it, or the process stays alive.
 *
 * Everything that fails throws a {@link BmsError} whose `reason` tells why: INVALID_TENSOR and INVALID_REQUEST (with
 * `violations` that name the fields), MODEL_NOT_FOUND and its kin, NOT_READY, OVERLOADED, DEADLINE_EXCEEDED, CANCELLED,
 * CONNECTION_FAILED, …
 *
 * @example
 * const client = new BmsClient();
 * const { outputs, version, servedBy } = await client.infer({
 *   model: 'digits',
 *   inputs: { pixels: { datatype: 'FP32', shape: [1, 64], data: new Float32Array(64) } },
 * });
 * const { label } = outputs;
 * if (label?.datatype === 'INT64') console.log(`digits@${version} on ${servedBy} says ${label.data[0]}`);
 * client.close();
 */
export class BmsClient {
  /** Models, versions and labels, through admin. Changes need the token. Calls take a deadline and a signal. */
  readonly models: Client<modelService.ModelServiceDefinition>;
  /** The state of workers, routers and versions, through admin. */
  readonly mesh: Client<meshService.MeshServiceDefinition>;
  /** Upload and download tickets, and the audit trail. */
  readonly admin: Client<adminService.AdminServiceDefinition>;
  readonly tenant: string;

  private readonly routers: RouterPool;
  private readonly adminChannel: Channel;
  private readonly identity: Readonly<Record<string, string | undefined>>;
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly dial: (address: string) => Channel;
  private readonly timeoutMs: number;

  constructor(private readonly options: BmsClientOptions = {}) {
    this.tenant = options.tenant ?? DEFAULT_TENANT;
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? Math.random;
    this.dial = options.dial ?? ((address) => new GrpcChannel(address, KEEPALIVE));
    this.timeoutMs = options.timeoutMs ?? TIMEOUT_DEFAULT_MS;
    this.identity = {
      [CallMetadata.tenant]: this.tenant,
      [CallMetadata.principal]: options.principal ?? defaultPrincipal(),
      [CallMetadata.authorization]: options.token === undefined ? undefined : bearer(options.token),
    };
    this.routers = new RouterPool([options.router ?? ROUTER_ADDRESS_DEFAULT].flat(), this.dial);
    this.adminChannel = new IdentifiedChannel(
      this.dial(options.admin ?? ADMIN_ADDRESS_DEFAULT),
      this.identity,
      this.timeoutMs,
      this.clock.now,
    );
    this.models = createClient(modelService.ModelServiceDefinition, this.adminChannel);
    this.mesh = createClient(meshService.MeshServiceDefinition, this.adminChannel);
    this.admin = createClient(adminService.AdminServiceDefinition, this.adminChannel);
  }

  /**
   * One prediction. A router that restarts, or a replica that is lost, is survived by trying again within the deadline;
   * what the caller got wrong is never tried again.
   */
  async infer(request: InferRequest, options: InferOptions = {}): Promise<InferResult> {
    const bytes = inference.ModelInferRequest.encode(encodeInferRequest(request)).finish();
    const requestId = randomUUID();
    let trailers = new Metadata();
    const onTrailers = (received: Metadata): void => void (trailers = received);
    const { answer, attempt } = await this.askRouter('ModelInfer', bytes, requestId, options, onTrailers);
    return {
      ...decodeInferResponse(decodeAnswer(inference.ModelInferResponse, answer)),
      servedBy: trailers.get(CallMetadata.servedBy) ?? '',
      attempts: attempt - 1 + Number(trailers.get(CallMetadata.attempts) ?? 1),
      requestId,
    };
  }

  /** Versions, inputs and outputs of a model, as its callers need them; tried again like {@link infer}. */
  async describe(reference: ModelReference, options: InferOptions = {}): Promise<ModelDescription> {
    const bytes = inference.ModelMetadataRequest.encode(encodeMetadataRequest(reference)).finish();
    const { answer } = await this.askRouter('ModelMetadata', bytes, randomUUID(), options);
    return decodeMetadataResponse(decodeAnswer(inference.ModelMetadataResponse, answer));
  }

  /**
   * Uploads files and registers them as the next version of a model; see {@link PushOptions}. An upload that breaks off
   * goes on where it was. Nothing is visible until all is there; aborting leaves nothing half visible.
   */
  async pushVersion(options: PushOptions): Promise<PushResult> {
    return pushVersion(options, {
      tenant: this.tenant,
      admin: this.admin,
      models: this.models,
      dial: this.dial,
      clock: this.clock,
      random: this.random,
    });
  }

  /**
   * Gets the files of a version back, each checked against its digest, into a folder that appears once all are there; see
   * {@link PullOptions}. Needs the token. Throws INVALID_REQUEST where the folder is not empty.
   */
  async pullVersion(options: PullOptions): Promise<PullResult> {
    const { tenant, admin, dial, clock, random } = this;
    return pullVersion(options, { tenant, admin, dial, clock, random });
  }

  /** Ends what is in flight with CANCELLED and closes the connections. */
  close(): void {
    this.routers.close();
    this.adminChannel.close();
  }

  /** A call of the Open Inference Protocol, with its retries; answers with the number of the attempt that succeeded, too. */
  private async askRouter(
    method: 'ModelInfer' | 'ModelMetadata',
    request: Uint8Array,
    requestId: string,
    options: InferOptions,
    onTrailers?: (trailers: Metadata) => void,
  ): Promise<{ readonly answer: Uint8Array; readonly attempt: number }> {
    const { signal } = options;
    const deadlineMs = options.deadlineMs ?? this.clock.now() + (options.timeoutMs ?? this.timeoutMs);
    const metadata = Metadata.from({ ...this.identity, [CallMetadata.requestId]: requestId });
    const policy = { ...RETRY_DEFAULTS, ...this.options.retry, ...options.retry };
    const path = `/${inference.GRPCInferenceServiceDefinition.fullName}/${method}`;
    const call = { metadata, deadlineMs, signal, onTrailers };
    return withRetries(async (attempt) => ({ answer: await this.routers.unary(path, request, call), attempt }), {
      policy,
      clock: this.clock,
      random: this.random,
      deadlineMs,
      signal,
    });
  }
}

function decodeAnswer<T>(codec: { decode(bytes: Uint8Array): T }, bytes: Uint8Array): T {
  try {
    return codec.decode(bytes);
  } catch (cause) {
    throw new BmsError(Reason.INTERNAL, 'the answer is not a valid message of its type', { cause });
  }
}
