/** The few calls of the service that the demo makes, with nothing but `fetch`. */

export interface DemoJob {
  readonly id: string;
  readonly state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  readonly stage?: string;
  readonly done?: number;
  readonly total?: number;
  readonly resultVersion?: number;
  readonly problem?: { readonly code: string; readonly detail: string };
}

/** @throws Error that quotes the service's problem document */
export async function request(url: string, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.ok) return response;
  throw new Error(`${init?.method ?? 'GET'} ${url} answered ${response.status}: ${await response.text()}`);
}

export async function getJson<T>(url: string): Promise<T> {
  return (await (await request(url)).json()) as T;
}

/** Data of the server-sent events of a stream, one by one. Source: WHATWG HTML, 9.2.6. */
export async function* serverSentEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const bytes of body) {
    pending += decoder.decode(bytes, { stream: true });
    for (let end = pending.indexOf('\n\n'); end >= 0; end = pending.indexOf('\n\n')) {
      const lines = pending.slice(0, end).split('\n');
      pending = pending.slice(end + 2);
      const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trimStart());
      if (data.length > 0) yield data.join('\n');
    }
  }
}

/** Follows a job to its end over SSE. @throws Error unless it succeeds */
export async function followJob(url: string, onProgress: (job: DemoJob) => void): Promise<DemoJob> {
  const response = await request(`${url}/events`, { headers: { accept: 'text/event-stream' } });
  if (!response.body) throw new Error(`GET ${url}/events has no body`);
  let last: DemoJob | undefined;
  for await (const data of serverSentEvents(response.body)) {
    last = JSON.parse(data) as DemoJob;
    onProgress(last);
    if (last.state === 'succeeded') return last;
    if (last.state === 'failed' || last.state === 'cancelled')
      throw new Error(
        `The job ${last.state}: ${last.problem?.detail ?? 'no reason given'} [${last.problem?.code ?? ''}]`,
      );
  }
  throw new Error(`The events of ${url} ended before the job did (last state: ${last?.state ?? 'none'}).`);
}
