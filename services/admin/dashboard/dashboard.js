// Shows the mesh: asks the JSON API every 2 s and draws tables. Text from the mesh only ever becomes text nodes.
'use strict';

const POLL_MS = 2_000;
const CHANGES_SHOWN = 12;
const tenant = new URLSearchParams(location.search).get('tenant') ?? 'default';

/** Calls answered per version at the last poll, to tell a rate. */
let before = { atMs: 0, answered: new Map() };

async function ask(method, request) {
  const response = await fetch(`/api/v1/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error?.message ?? `HTTP ${response.status}`);
  return answer;
}

async function poll() {
  const problem = document.getElementById('problem');
  try {
    const [status, { entries }] = await Promise.all([
      ask('MeshService/GetMeshStatus', { tenant }),
      ask('AdminService/ListAuditEntries', { tenant, limit: CHANGES_SHOWN }),
    ]);
    draw(status, entries);
    problem.hidden = true;
  } catch (error) {
    problem.textContent = `What is shown may be old: ${error.message}`;
    problem.hidden = false;
  }
  setTimeout(poll, POLL_MS);
}

function draw(status, changes) {
  const replicas = status.workers.flatMap((worker) => worker.replicas);
  document.getElementById('mesh').textContent =
    `mesh ${status.meshId} · ${storeName(status)}, revision ${status.revision} · tenant ${tenant} · ` +
    `${status.registries.length} registries, ${status.routers.length} routers, ${status.workers.length} workers, ${replicas.filter((replica) => stateOf(replica) === 'ready').length} replicas ready`;
  const alarms = alarmsOf(status);
  const banner = document.getElementById('store');
  banner.textContent = alarms.join(' ');
  banner.hidden = alarms.length === 0;
  const nowMs = Date.now();
  const rates = ratesOf(status.versions, nowMs);
  fill('versions', 'No version is published yet: npx bms push NAME FILE --activate --wait', status.versions, [
    ['version', (version) => strong(nameOf(version.ref))],
    ['state', (version) => word(stateOf(version), version.active ? 'active' : '', version.labels)],
    ['ready', (version) => readiness(version), 'number'],
    ['answered', (version) => number(version.calls?.answered), 'number'],
    ['per second', (version) => (rates.get(nameOf(version.ref)) ?? 0).toFixed(0), 'number'],
    ['failed', (version) => failures(version.calls?.failed), 'number'],
    ['refused', (version) => number(version.calls?.rejected), 'number'],
    ['held by', (version) => [...holders(version, status.workers), ...note(version.placementNote)]],
  ]);
  fill('workers', 'No worker is attached.', status.workers, [
    ['worker', (worker) => strong(worker.workerId)],
    ['state', (worker) => workerState(worker)],
    ['address', (worker) => code(worker.address)],
    ['process', (worker) => `${worker.pid} on ${worker.host}`],
    ['device', (worker) => deviceLines(worker)],
    ['memory free', (worker) => `${bytes(worker.memory?.freeBytes)} of ${bytes(worker.memory?.totalBytes)}`, 'number'],
    ['up', (worker) => age(worker.startedAtMs, nowMs), 'number'],
    ['replicas', (worker) => worker.replicas.map((replica) => replicaLine(nameOf(replica.ref), replica))],
  ]);
  fill('routers', 'No router is connected.', status.routers, [
    ['router', (router) => strong(router.routerId)],
    ['address', (router) => code(router.address)],
    ['process', (router) => router.pid],
    ['routes by revision', (router) => router.acknowledgedRevision, 'number'],
    ['follows', (router) => router.registryId],
  ]);
  fill('registries', 'No registry says that it is there.', status.registries, [
    ['registry', (registry) => strong(registry.registryId)],
    ['state', (registry) => registryState(registry)],
    ['address', (registry) => code(registry.address)],
    ['process', (registry) => `${registry.pid} on ${registry.host}`],
    ['revision', (registry) => registry.revision, 'number'],
    ['up', (registry) => age(registry.startedAtMs, nowMs), 'number'],
  ]);
  fill('changes', 'Nothing was changed yet.', changes, [
    ['when', (entry) => new Date(Number(entry.atMs)).toLocaleString()],
    ['who', (entry) => entry.principal],
    ['what', (entry) => `${entry.method.split('/').at(-1)} ${entry.subject}`],
    ['outcome', (entry) => node('span', entry.outcome, entry.outcome === 'OK' ? 'good' : 'bad')],
  ]);
}

/** Draws a table: one column per [title, cell of a row, class]. */
function fill(id, emptyText, rows, columns) {
  const place = document.getElementById(id);
  if (rows.length === 0) {
    place.replaceChildren(node('p', emptyText, 'empty quiet'));
    return;
  }
  const table = node('table');
  const head = node('tr');
  for (const [title, , className = ''] of columns) head.append(node('th', title, className));
  const body = node('tbody');
  for (const row of rows) {
    const line = node('tr');
    for (const [, cell, className = ''] of columns) {
      const data = node('td', '', className);
      data.append(...[cell(row)].flat());
      line.append(data);
    }
    body.append(line);
  }
  const top = node('thead');
  top.append(head);
  table.append(top, body);
  place.replaceChildren(table);
}

function node(name, text = '', className = '') {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

const strong = (text) => node('strong', text);
const code = (text) => node('code', text);
const note = (text) => (text === '' ? [] : [node('p', text, 'reason busy')]);
const number = (value) => Number(value ?? 0).toLocaleString();
const nameOf = (ref) => `${ref.model}@${ref.version}`;
const stateOf = ({ state }) => state.replace(/^(VERSION|REPLICA)_STATE_/, '').toLowerCase();

function word(state, active, labels) {
  const tone = { published: 'good', offline: 'bad', deleted: 'quiet', registered: 'quiet' }[state] ?? '';
  return [
    node('span', state, tone),
    node('span', [active && ` · ${active}`, ...labels.map((label) => ` · ${label}`)].filter(Boolean).join('')),
  ];
}

function readiness({ readyReplicas, wantedReplicas }) {
  return node(
    'span',
    `${readyReplicas} of ${wantedReplicas}`,
    readyReplicas >= wantedReplicas ? 'good' : readyReplicas > 0 ? 'busy' : 'bad',
  );
}

function failures(value) {
  return node('span', number(value), Number(value ?? 0) > 0 ? 'bad' : '');
}

function holders({ ref }, workers) {
  return workers.flatMap((worker) =>
    worker.replicas
      .filter((replica) => nameOf(replica.ref) === nameOf(ref))
      .map((replica) => replicaLine(worker.workerId, replica)),
  );
}

function replicaLine(title, replica) {
  const state = stateOf(replica);
  const line = node('p', `${title} `);
  line.append(node('span', state, { ready: 'good', failed: 'bad' }[state] ?? 'busy'));
  if (replica.unwarmed) line.append(' (unwarmed)');
  if (replica.fellBack) line.append(node('span', ` on ${replica.provider}, not on the worker's device`, 'busy'));
  if (state === 'ready') line.append(node('span', ` ${bytes(replica.memoryBytes)}`, 'quiet'));
  if (replica.reason !== '') line.append(node('p', replica.reason, 'reason bad'));
  return line;
}

/** What must not be missed: a store in doubt first, then one that cannot be used. */
function alarmsOf({ storeStatus }) {
  const doubt = storeStatus?.doubt;
  return [
    ...(doubt
      ? [
          `The store is in doubt: ${doubt.reason}. What is served goes on being served; nothing can be changed until the right ` +
            'store is back, or "npx bms store accept" takes this one.',
          ...(doubt.missingVersions.length > 0
            ? [`Missing there: ${doubt.missingVersions.map(nameOf).join(', ')}.`]
            : []),
        ]
      : []),
    ...(storeStatus?.trouble ? [`The store cannot be used: ${storeStatus.trouble}.`] : []),
  ];
}

function storeName({ store, storeStatus }) {
  const endpoints = storeStatus?.endpoints ?? [];
  return endpoints.length === 0 ? `${store} store` : `${store} store at ${endpoints.join(', ')}`;
}

function registryState({ reachable, leader }) {
  return [
    node('span', reachable ? 'reachable' : 'not reachable', reachable ? 'good' : 'bad'),
    leader ? ' · leader' : '',
  ];
}

function deviceLines({ device, deviceUse, deviceFailure }) {
  const lines = [node('p', `${device?.provider ?? '?'} · ${device?.name ?? ''}`)];
  if (deviceUse) {
    const busy = deviceUse.busyPercent < 0 ? '' : `, ${deviceUse.busyPercent}% busy`;
    const free = `${bytes(deviceUse.memoryFreeBytes)} of ${bytes(deviceUse.memoryTotalBytes)} free`;
    lines.push(node('p', `${free}${busy}`, 'quiet'));
  }
  if (deviceFailure) lines.push(node('p', deviceFailure, 'reason bad'));
  return lines;
}

function workerState({ attached, draining, deviceFailure }) {
  if (!attached) return node('span', 'lost', 'bad');
  if (deviceFailure) return node('span', 'device failed', 'bad');
  return draining ? node('span', 'draining', 'busy') : node('span', 'attached', 'good');
}

function ratesOf(versions, nowMs) {
  const answered = new Map(versions.map(({ ref, calls }) => [nameOf(ref), Number(calls?.answered ?? 0)]));
  const seconds = (nowMs - before.atMs) / 1000;
  const rates = new Map();
  for (const [name, count] of answered) {
    const known = before.answered.get(name);
    if (known !== undefined && count >= known) rates.set(name, (count - known) / seconds);
  }
  before = { atMs: nowMs, answered };
  return rates;
}

function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = Number(value ?? 0);
  let unit = 0;
  for (; size >= 1023.5 && unit < units.length - 1; unit++) size /= 1024;
  return `${size.toFixed(unit === 0 || size >= 99.95 ? 0 : 1)} ${units[unit]}`;
}

function age(sinceMs, nowMs) {
  const seconds = Math.max(0, Math.floor((nowMs - Number(sinceMs)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

void poll();
