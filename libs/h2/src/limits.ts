const KIB = 1024;
const MIB = 1024 * KIB;

/** Tokens: `capacity` at once, `perSecond` come back. */
export interface Allowance {
  readonly capacity: number;
  readonly perSecond: number;
}

/** What one connection may take of us. */
export interface ConnectionLimits {
  /** Streams open at once, and handlers still running for streams that are gone. */
  readonly concurrentStreams: number;
  /** Streams that come or go by RST_STREAM, of the peer's doing (CVE-2023-44487, CVE-2025-8671). */
  readonly resets: Allowance;
  /** Frames that carry nothing: PRIORITY, WINDOW_UPDATE, unknown types, empty or padded-only DATA. */
  readonly glitches: Allowance;
  /** A PING less than this long after the last one is a strike, unless it may answer DATA of ours. */
  readonly pingEveryMs: number;
  /** The same while streams are open: whoever waits for an answer may well ask whether we live. */
  readonly busyPingEveryMs: number;
  /** The strike at which the connection ends. */
  readonly pingStrikes: number;
  /** CONTINUATION frames of one header block. */
  readonly continuations: number;
  /** A header block as it is sent. */
  readonly headerBlockBytes: number;
  /** How long a header block may take from its first to its last frame. */
  readonly headerBlockWithinMs: number;
  /** A decoded list: names, values and 32 a field (RFC 9113 §6.5.2). What is more is decoded, counted and thrown away. */
  readonly headerListBytes: number;
  readonly headerFields: number;
  /** All lists of open streams together. */
  readonly retainedHeaderBytes: number;
  /** Our table of the peer's headers. */
  readonly headerTableBytes: number;
  /** Answers to PING and SETTINGS, RST_STREAM and WINDOW_UPDATE that wait because the peer does not read. */
  readonly controlFrames: number;
  readonly settingsEntries: number;
  /** Unread bytes of one stream; more for a message whose size is known, as long as `messageCreditBytes` lasts. */
  readonly streamWindowBytes: number;
  /** What unfinished messages may have beyond the windows of their streams, all together; one message may always have what it needs. */
  readonly messageCreditBytes: number;
  /** Bytes under way to us on all streams: what was read is given back at once, so that none holds another back. */
  readonly connectionWindowBytes: number;
  /** What is sent ahead of a peer that reads slowly, before who writes is told to wait. */
  readonly sendBufferBytes: number;
  /** A peer that has stood still for this long while we have something to send it, or it something half sent. */
  readonly stallMs: number;
  /** From accepting a socket to the peer's SETTINGS, TLS included. */
  readonly handshakeMs: number;
  /** Without a stream. */
  readonly idleMs: number;
  /** GOAWAY after this long, give or take a tenth; what is open then has `ageGraceMs` to end. */
  readonly ageMs: number;
  readonly ageGraceMs: number;
  /** Requests handled in one turn of the event loop before others get theirs. */
  readonly requestsPerTurn: number;
}

/** For callers, whom nobody knows. */
export const EDGE_LIMITS: ConnectionLimits = {
  concurrentStreams: 100,
  resets: { capacity: 200, perSecond: 33 },
  glitches: { capacity: 10_000, perSecond: 330 },
  // Our own channels ask an idle server every 2 s, and one that owes them an answer every 0.4 s.
  pingEveryMs: 1_000,
  busyPingEveryMs: 200,
  pingStrikes: 3,
  continuations: 8,
  headerBlockBytes: 16 * KIB,
  headerBlockWithinMs: 5_000,
  headerListBytes: 8 * KIB,
  headerFields: 100,
  retainedHeaderBytes: 1 * MIB,
  headerTableBytes: 4_096,
  controlFrames: 1_000,
  settingsEntries: 32,
  streamWindowBytes: 64 * KIB,
  messageCreditBytes: 4 * MIB,
  connectionWindowBytes: 4 * MIB,
  sendBufferBytes: 256 * KIB,
  stallMs: 30_000,
  handshakeMs: 10_000,
  idleMs: 5 * 60_000,
  ageMs: 30 * 60_000,
  ageGraceMs: 30_000,
  requestsPerTurn: 32,
};

/** Between routers and workers: many callers share one connection, and it is kept. */
export const MESH_LIMITS: ConnectionLimits = {
  ...EDGE_LIMITS,
  concurrentStreams: 1_000,
  // Many callers' cancels come over one link, and its handlers are bounded by the streams: this only stops a loop gone wild.
  resets: { capacity: 100_000, perSecond: 50_000 },
  glitches: { capacity: 200_000, perSecond: 6_600 },
  pingEveryMs: 100,
  busyPingEveryMs: 100,
  connectionWindowBytes: 16 * MIB,
  streamWindowBytes: 256 * KIB,
  messageCreditBytes: 256 * MIB,
  idleMs: Infinity,
  ageMs: Infinity,
};
