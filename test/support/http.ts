/** Requests sent as they are written: `fetch` would tidy paths up, set headers of its own and refuse some. */
import assert from 'node:assert/strict';
import { Agent, request, type IncomingHttpHeaders } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent with its length, or in chunks when it is a list. */
  readonly body?: Buffer | string | readonly Buffer[];
}

/** One connection per request: no test depends on what another one left behind. */
const agent = new Agent({ keepAlive: false });

/** Sends `path` byte for byte, `..` and percent-encoding included. */
export function send(origin: string, path: string, sent: Sent = {}): Promise<Answer> {
  const { hostname, port } = new URL(origin);
  const { method = 'GET', headers = {}, body } = sent;
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, path, method, headers, agent }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const whole = Buffer.concat(chunks);
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: whole,
          text: whole.toString('utf8'),
        });
      });
    });
    outgoing.on('error', reject);
    if (Array.isArray(body)) {
      for (const chunk of body as readonly Buffer[]) outgoing.write(chunk);
      outgoing.end();
    } else outgoing.end(body as Buffer | string | undefined);
  });
}

export function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` };
}

const requestId = /^[0-9a-f]{32}$/;

/** Every answer has an id of its own, and says so. */
export function assertRequestId(answer: Answer): string {
  const id = answer.headers['x-request-id'];
  assert.match(String(id), requestId);
  return String(id);
}

/** The error envelope of X07 (contract, section 3): three fields in this order, the id equal to the header. */
export function assertX07Error(answer: Answer, status: number, code: string): { message: string } {
  const id = assertRequestId(answer);
  assert.equal(`${answer.status} ${answer.text}`.slice(0, 3), String(status), answer.text);
  assert.equal(answer.headers['content-type'], 'application/json');
  const error = JSON.parse(answer.text) as Record<string, string>;
  assert.equal(error['code'], `X07REG_${code}`, error['message']);
  assert.deepEqual(Object.keys(error), ['code', 'message', 'request_id']);
  assert.equal(answer.text, JSON.stringify(error), 'compact JSON');
  assert.equal(error['request_id'], id);
  const message = String(error['message']);
  assert.notEqual(message.trim(), '');
  // What a bug would leak: a place in our code, or on our disk.
  assert.doesNotMatch(message, /\n\s+at |node_modules|\/incoming\//);
  assert.equal(answer.headers['etag'], undefined);
  assert.equal(answer.headers['cache-control'], undefined);
  return { message };
}

/** What upstream's HTTP framework answers: plain text, and still an id. */
export function assertPlainError(answer: Answer, status: number): void {
  assertRequestId(answer);
  assert.equal(answer.status, status, answer.text);
  assert.match(String(answer.headers['content-type']), /^text\/plain/);
  assert.notEqual(answer.text, '');
}

/** A status and nothing else. */
export function assertBare(answer: Answer, status: number): void {
  assertRequestId(answer);
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.text, '');
  assert.equal(answer.headers['etag'], undefined);
  assert.equal(answer.headers['cache-control'], undefined);
}
