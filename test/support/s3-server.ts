/**
 * A strict S3 server in memory, on loopback, that can do wrong when told to. Strict: requests are signed, what guards their
 * bytes is checked, conditions hold at the instant of the write, and what no client of ours should send fails the test.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { BucketAddress } from '../../stores/bucket.ts';
import { document, type S3Answer } from './s3-answers.ts';
import { checkedBody, receivedBytes } from './s3-body.ts';
import { errorOf, S3Faults, type Fault } from './s3-faults.ts';
import { emptyBucket, S3Problem, Unexpected, type StoredBucket, type StoredObject } from './s3-objects.ts';
import { perform } from './s3-operations.ts';
import { requestOf, type S3Request } from './s3-requests.ts';
import { isSigned, s3Credentials, type RawRequest } from './s3-signature.ts';

export interface S3Server {
  /** Of loopback. */
  readonly endpoint: string;
  /** The bucket that is there from the beginning. */
  readonly bucket: string;
  /** Of that bucket or another, below a prefix. */
  address(prefix?: string, bucket?: string): BucketAddress;
  /** What the first bucket has, to look at and to change. */
  readonly objects: Map<string, StoredObject>;
  readonly buckets: Map<string, StoredBucket>;
  addBucket(name: string): StoredBucket;
  /** Anybody may read what is below, signed or not. */
  publicRead(prefix?: string, bucket?: string): void;
  /** Every request that was understood, in the order in which they came whole; repeated ones too. */
  readonly requests: S3Request[];
  readonly faults: S3Faults;
  /** What a page of a list has at most; 1000 from the beginning. */
  pageSize: number;
  /** Its clock, which a test can set forward. */
  now: () => number;
  /** What a child process needs in order to be let in. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const FIRST_BUCKET = 'cairn';
const REGION = 'us-east-1';

/** Credentials are set for this process too. The test fails if somebody asked what nobody should. */
export async function openS3Server(t: Pick<TestContext, 'after'>): Promise<S3Server> {
  Object.assign(process.env, s3Credentials);
  const faults = new S3Faults();
  const first = emptyBucket();
  const buckets = new Map([[FIRST_BUCKET, first]]);
  const complaints: string[] = [];
  const server = createServer((incoming, response) => {
    void serve(incoming, response, s3, complaints);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const s3: S3Server = {
    endpoint,
    bucket: FIRST_BUCKET,
    address: (prefix = '', bucket = FIRST_BUCKET) => ({
      bucket,
      prefix,
      endpoint,
      region: REGION,
      pathStyle: true,
    }),
    objects: first.objects,
    buckets,
    addBucket(name) {
      const added = emptyBucket();
      buckets.set(name, added);
      return added;
    },
    publicRead: (prefix = '', bucket = FIRST_BUCKET) => {
      buckets.get(bucket)?.publicPrefixes.add(prefix);
    },
    requests: [],
    faults,
    pageSize: 1000,
    now: () => Date.now(),
    environment: s3Credentials,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  t.after(async () => {
    await s3.close();
    if (complaints.length > 0) throw new Error(`somebody asked the S3 server for:\n${complaints.join('\n')}`);
  });
  return s3;
}

async function serve(
  incoming: IncomingMessage,
  response: ServerResponse,
  s3: S3Server,
  complaints: string[],
): Promise<void> {
  const received = await receivedBytes(incoming);
  if (!received) return;
  const isHead = incoming.method === 'HEAD';
  const answering = (act: () => S3Answer): S3Answer => {
    try {
      return act();
    } catch (error) {
      if (error instanceof Unexpected || !(error instanceof S3Problem))
        complaints.push(`${incoming.method} ${incoming.url}: ${(error as Error).stack}`);
      return errorAnswer(error);
    }
  };
  const send = (answer: S3Answer): void => {
    const { status, headers = {}, body = Buffer.alloc(0) } = answer;
    const hasBody = status !== 204 && status !== 304;
    response.writeHead(status, {
      'x-amz-request-id': randomUUID(),
      ...headers,
      ...(hasBody ? { 'content-length': String(isHead && status >= 400 ? 0 : body.length) } : {}),
    });
    response.end(isHead ? undefined : body);
  };
  const understood = { request: undefined as S3Request | undefined, body: received };
  const refusal = answering(() => {
    understood.request = admitted(rawOf(incoming), s3);
    understood.body = checkedBody(received, understood.request.headers);
    return { status: 100 };
  });
  const { request, body } = understood;
  if (refusal.status !== 100 || !request) return send(refusal);
  s3.requests.push(request);
  const { buckets, pageSize } = s3;
  const act = (): S3Answer =>
    answering(() => perform(request, body, { buckets, pageSize, nowMs: wholeSeconds(s3.now()) }));
  const fault = s3.faults.next(request);
  if (!fault) send(act());
  else if ('taken' in fault)
    fault.taken({
      request,
      async finish() {
        const answer = act();
        send(answer);
        return answer.status;
      },
    });
  else suffer(fault, { act, send, request, response });
}

interface Suffering {
  readonly act: () => S3Answer;
  readonly send: (answer: S3Answer) => void;
  readonly request: S3Request;
  readonly response: ServerResponse;
}

const isRead: readonly S3Request['operation'][] = [
  'GetObject',
  'HeadObject',
  'ListObjectsV2',
  'ListMultipartUploads',
  'HeadBucket',
];

function suffer(fault: Fault, { act, send, request, response }: Suffering): void {
  // Reads that are not done have no answer that could be cut off.
  const isDone = fault.persisted === true || isRead.includes(request.operation);
  const answer = isDone ? act() : errorAnswer(new S3Problem(500, 'InternalError'));
  const error = errorOf(fault.does);
  if (error) return send(errorAnswer(new S3Problem(...error)));
  const { socket } = response;
  if (fault.does === 'silent' || !socket) return;
  if (fault.does === 'reset') {
    socket.resetAndDestroy();
    return;
  }
  const whole = wireBytes(answer, request.method === 'HEAD');
  const isEmpty = request.method === 'HEAD' || answer.body === undefined || answer.body.length === 0;
  const part = isEmpty ? 20 : whole.length - Math.ceil((answer.body?.length ?? 0) / 2);
  socket.write(whole.subarray(0, part), () => {
    if (fault.does === 'truncated') socket.destroy();
  });
}

/** An answer as it is on the wire. */
function wireBytes({ status, headers = {}, body = Buffer.alloc(0) }: S3Answer, isHead: boolean): Buffer {
  const lines = Object.entries({ ...headers, 'content-length': String(body.length) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const text = Buffer.from(`HTTP/1.1 ${status} Answer\r\n${head}\r\n`, 'latin1');
  return isHead ? text : Buffer.concat([text, body]);
}

function rawOf(incoming: IncomingMessage): RawRequest {
  const [path = '', query = ''] = (incoming.url ?? '').split('?', 2);
  const headers = Object.entries(incoming.headers).map(
    ([name, value]) => [name, Array.isArray(value) ? value.join(',') : value] as const,
  );
  return {
    method: incoming.method ?? '',
    path,
    query: [...new URLSearchParams(query)],
    headers: Object.fromEntries(headers),
  };
}

/** What it asks for, once it is known to be allowed. @throws S3Problem */
function admitted(raw: RawRequest, s3: S3Server): S3Request {
  const signed = isSigned(raw, s3.now());
  const request = requestOf(raw);
  if (signed) return request;
  const { operation, bucket, key, query } = request;
  const prefixes = [...(s3.buckets.get(bucket)?.publicPrefixes ?? [])];
  const isOpen = operation === 'GetObject' || operation === 'HeadObject';
  if (!isOpen || !prefixes.some((prefix) => key.startsWith(prefix)))
    throw new S3Problem(403, 'AccessDenied', 'Anonymous access is forbidden for this operation');
  if ([...query.keys()].some((name) => name.startsWith('response-')))
    throw new S3Problem(
      400,
      'InvalidRequest',
      'Request specific response headers cannot be used for anonymous GET requests.',
    );
  return request;
}

function errorAnswer(error: unknown): S3Answer {
  const { status, code, message } =
    error instanceof S3Problem ? error : new S3Problem(500, 'InternalError', String(error));
  return document(
    [
      'Error',
      [
        ['Code', code],
        ['Message', message],
      ],
    ],
    status,
  );
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
