// The built-in page: the service's own interface, used by a browser.

const byId = (id) => document.getElementById(id);
let token = sessionStorage.getItem('octet-token') ?? '';

class Refused extends Error {}

/** A call of the service; a refusal becomes an error that says what the problem document says. */
async function call(path, init = {}) {
  const headers = new Headers(init.headers);
  if (token) headers.set('authorization', `Bearer ${token}`);
  const response = await fetch(path, { ...init, headers });
  if (response.ok) return response;
  if (response.status === 401) byId('access').hidden = false;
  const problem = await response.json().catch(() => ({}));
  const complaints = (problem.errors ?? []).map((error) => `${error.pointer}: ${error.detail}`).join('; ');
  throw new Refused(
    [problem.title ?? response.statusText, problem.detail, complaints, problem.code].filter(Boolean).join(' · '),
  );
}

const getJson = async (path) => (await call(path)).json();

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function formatBytes(bytes) {
  const units = ['B', 'kB', 'MB', 'GB'];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${(bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}

async function showEngine() {
  const engine = await getJson('/v1/engine');
  byId('engine').textContent = `Engine tier: ${engine.tier}. ${engine.reason}`;
}

const verdicts = { pass: 'pass', fail: 'fail', notEnoughData: 'not enough data' };

function versionRow(version) {
  const { links } = version;
  const actions = element('td');
  if (links.reportHtml) actions.append(openLink('Report', links.reportHtml, 'text/html'));
  actions.append(openLink('File', links.file, 'application/octet-stream', `${version.model}-${version.version}.onnx`));
  return element(
    'tr',
    {},
    element('td', {}, version.model),
    element(
      'td',
      { className: version.live ? 'live' : '' },
      version.live ? `${version.version} live` : `${version.version}`,
    ),
    element(
      'td',
      { title: version.preflight.reason ?? '' },
      version.preflight.executor === 'onnxruntime' ? `${version.kind}, only onnxruntime` : version.kind,
    ),
    element('td', { className: 'number' }, formatBytes(version.sizeBytes)),
    element('td', { className: version.verdict === 'fail' ? 'fail' : '' }, verdicts[version.verdict] ?? ''),
    actions,
  );
}

/** A plain link; with a token, which a link cannot carry, the bytes are fetched and opened from memory. */
function openLink(text, path, type, download) {
  const link = element('a', { href: path, textContent: text });
  if (download) link.download = download;
  link.addEventListener('click', async (event) => {
    if (!token) return;
    event.preventDefault();
    await guarded(async () => {
      const bytes = await (await call(path)).arrayBuffer();
      const url = URL.createObjectURL(new Blob([bytes], { type }));
      element('a', { href: url, target: download ? '' : '_blank', download: download ?? '' }).click();
    });
  });
  return link;
}

async function showModels() {
  const models = [];
  for (let next = ''; next !== undefined;) {
    const page = await getJson(`/v1/models?limit=200${next ? `&after=${encodeURIComponent(next)}` : ''}`);
    models.push(...page.items);
    next = page.next;
  }
  byId('models').replaceChildren(...models.flatMap((model) => model.versions.map(versionRow)));
  byId('no-models').hidden = models.length > 0;
  const chosen = byId('try-model').value;
  byId('try-model').replaceChildren(...models.map((model) => element('option', { value: model.name }, model.name)));
  if (models.some((model) => model.name === chosen)) byId('try-model').value = chosen;
}

/** Server-sent events over fetch, which can carry a token. Yields the data of each event. */
async function* follow(path) {
  const response = await call(path, { headers: { accept: 'text/event-stream' } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = '';
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    const events = (pending + chunk.value).split('\n\n');
    pending = events.pop();
    for (const event of events) {
      const data = event.split('\n').filter((line) => line.startsWith('data:'));
      if (data.length) yield JSON.parse(data.map((line) => line.slice(5)).join('\n'));
    }
  }
}

function showJob(job) {
  byId('job').hidden = false;
  const share = job.total ? ` ${job.done} of ${job.total}` : '';
  const eta = job.etaMs && job.state === 'running' ? `, about ${Math.ceil(job.etaMs / 1000)} s left` : '';
  byId('job-state').textContent =
    `Job ${job.state}${job.stage && job.state === 'running' ? `: ${job.stage}${share}` : ''}${eta}`;
  const progress = byId('job-progress');
  if (job.state === 'running' && job.total) progress.value = job.done / job.total;
  else if (job.state === 'queued' || job.state === 'running') progress.removeAttribute('value');
  else progress.value = job.state === 'succeeded' ? 1 : 0;
  const links = byId('job-links');
  links.replaceChildren();
  if (job.links.reportHtml) links.append(openLink('Read the report', job.links.reportHtml, 'text/html'));
  if (job.problem) links.textContent = `${job.problem.detail} (${job.problem.code})`;
}

async function quantize(form) {
  const body = new FormData();
  for (const [name, value] of new FormData(form)) {
    const empty = value instanceof File ? value.size === 0 : value.trim() === '';
    if (!empty) body.append(name, value);
  }
  const job = await (await call('/v1/quantize', { method: 'POST', body })).json();
  showJob(job);
  for await (const update of follow(job.links.events)) showJob(update);
  await showModels();
}

async function predict(form) {
  const image = form.elements.image.files[0];
  const path = `/v1/models/${encodeURIComponent(form.elements.model.value)}/predict?top_k=5`;
  const prediction = await (
    await call(path, { method: 'POST', body: image, headers: { 'content-type': image.type } })
  ).json();
  byId('prediction').hidden = false;
  URL.revokeObjectURL(byId('preview').src);
  byId('preview').src = URL.createObjectURL(image);
  byId('classes').replaceChildren(
    ...(prediction.classes ?? []).map(({ index, label, score }) =>
      element(
        'li',
        {},
        `${label ?? index} · ${(100 * score).toFixed(1)} % `,
        element('meter', { value: Math.max(0, score) }),
      ),
    ),
  );
  const raw = byId('raw');
  raw.hidden = !prediction.outputs;
  raw.textContent = (prediction.outputs ?? []).map((o) => `${o.name} ${o.datatype} [${o.shape.join(', ')}]`).join('\n');
  const { timing } = prediction;
  byId('timing').textContent =
    `${prediction.kind} version ${prediction.version}${prediction.executor === 'onnxruntime' ? ' on onnxruntime' : ''}: queue ${timing.queueMs.toFixed(2)} ms, ` +
    `preprocess ${timing.preprocessMs.toFixed(2)} ms, compute ${timing.computeMs.toFixed(2)} ms, ` +
    `postprocess ${timing.postprocessMs.toFixed(2)} ms`;
}

/** Runs one action; what it throws is shown, never swallowed. */
async function guarded(action, button) {
  const problem = byId('problem');
  problem.hidden = true;
  if (button) button.disabled = true;
  try {
    await action();
  } catch (error) {
    problem.hidden = false;
    problem.textContent = error instanceof Refused ? error.message : `The page failed: ${error.message}`;
  } finally {
    if (button) button.disabled = false;
  }
}

function onSubmit(id, action) {
  byId(id).addEventListener('submit', (event) => {
    event.preventDefault();
    void guarded(() => action(event.target), event.submitter);
  });
}

onSubmit('quantize-form', quantize);
onSubmit('try-form', predict);
onSubmit('access-form', async (form) => {
  token = form.elements.token.value;
  sessionStorage.setItem('octet-token', token);
  await start();
  byId('access').hidden = true;
});

const start = () => Promise.all([showEngine(), showModels()]);
void guarded(start);
