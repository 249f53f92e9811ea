/** A client of container registries that does little by itself: curl sends and takes the layers, four at a time. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { digestOf } from '../core/digest.ts';
import { IMAGE } from '../test/support/oci-api.ts';
import type { LargeImage } from './oci-image.ts';

const exec = promisify(execFile);

export interface OciSource {
  readonly url: string;
  /** With every request; nothing where anyone may do anything. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Blobs at the same time, then the manifest, as clients do it: begin, all of it in one piece, and finish. */
export async function pushImage(to: OciSource, name: string, tag: string, image: LargeImage): Promise<void> {
  await Promise.all([
    ...image.layers.map(({ path, digest }) => pushFile(to, name, digest, path)),
    pushBytes(to, name, image.config),
  ]);
  await pushManifest(to, name, tag, image.manifest);
}

export async function pushFile(to: OciSource, name: string, digest: string, path: string): Promise<void> {
  const upload = await startUpload(to, name);
  await finishUpload(to, await sendFile(to, upload, path), digest);
}

/** Where the upload goes on. */
export async function sendFile(to: OciSource, upload: string, path: string): Promise<string> {
  const sent = ['-X', 'PATCH', '-T', path, '-H', 'Expect:', '-H', OCTETS];
  const printed = await curl(to, [...sent, '-w', '%header{location}', upload]);
  return new URL(printed, to.url).href;
}

export async function sendBytes(to: OciSource, upload: string, bytes: Uint8Array): Promise<string> {
  const headers = { 'content-type': 'application/octet-stream' };
  const answer = await ask(to, 'PATCH', upload, 202, { headers, body: bytes });
  return new URL(answer.headers.get('location') ?? '', to.url).href;
}

export async function startUpload(to: OciSource, name: string): Promise<string> {
  const answer = await ask(to, 'POST', `${to.url}/v2/${name}/blobs/uploads/`, 202);
  return new URL(answer.headers.get('location') ?? '', to.url).href;
}

export function finishUpload(to: OciSource, upload: string, digest: string): Promise<Response> {
  return ask(to, 'PUT', withDigest(upload, digest), 201);
}

const OCTETS = 'Content-Type: application/octet-stream';

export async function pushBytes(to: OciSource, name: string, bytes: Uint8Array): Promise<string> {
  const digest = digestOf(bytes);
  await ask(to, 'PUT', withDigest(await startUpload(to, name), digest), 201, {
    headers: { 'content-type': 'application/octet-stream' },
    body: bytes,
  });
  return digest;
}

/** Some servers keep what they know of an upload in the query. */
function withDigest(upload: string, digest: string): string {
  const url = new URL(upload);
  url.searchParams.set('digest', digest);
  return url.href;
}

export function pushManifest(
  to: OciSource,
  name: string,
  reference: string,
  manifest: Uint8Array,
): Promise<Response> {
  const init = { headers: { 'content-type': IMAGE }, body: manifest };
  return ask(to, 'PUT', `${to.url}/v2/${name}/manifests/${reference}`, 201, init);
}

/** The manifest, and all that it names, at the same time. */
export async function pullImage(from: OciSource, name: string, tag: string): Promise<void> {
  const headers = { accept: IMAGE };
  const answer = await ask(from, 'GET', `${from.url}/v2/${name}/manifests/${tag}`, 200, { headers });
  const { config, layers } = JSON.parse(answer.body) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  await Promise.all(
    [config, ...layers].map(({ digest }) =>
      curl(from, ['-o', '/dev/null', `${from.url}/v2/${name}/blobs/${digest}`]),
    ),
  );
}

/** What it prints. @throws Error when the answer is none that it was sent for. */
export async function curl({ headers }: OciSource, words: readonly string[]): Promise<string> {
  const given = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const { stdout } = await exec('curl', ['--silent', '--show-error', '--fail', ...given, ...words]);
  return stdout;
}

interface Response {
  readonly headers: Headers;
  readonly body: string;
}

interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** @throws Error unless the status is that one. */
export async function ask(
  { headers }: OciSource,
  method: string,
  url: string,
  status: number,
  asked: Asked = {},
): Promise<Response> {
  const answer = await fetch(url, {
    method,
    headers: { ...headers, ...asked.headers },
    ...(asked.body ? { body: asked.body } : {}),
  });
  const body = await answer.text();
  if (answer.status !== status) throw new Error(`${method} ${url}: ${answer.status} ${body}`);
  return { headers: answer.headers, body };
}
