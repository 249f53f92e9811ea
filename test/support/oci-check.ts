/** Looks at repositories from outside and compares them with what their clients were told. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../core/digest.ts';
import { asker, type Ask } from './asking.ts';
import { cairn } from './command-line.ts';
import { danglingIn, ociFilesNow } from './oci-reader.ts';
import type { OciFacts, OciState, OciThing } from './oci-book.ts';
import { checkStores, eachOf } from './registry-check.ts';
import { ADMIN_TOKEN } from './server-process.ts';
import { siteFolder } from './test-store.ts';

/** Checks that each of `things` is in one of its possible states, with its exact bytes. Returns what was seen. */
export async function checkOci(
  url: string,
  possible: OciFacts,
  things: Iterable<OciThing> = possible.keys(),
): Promise<ReadonlyMap<OciThing, OciState>> {
  const ask = asker({ url }, '');
  const problems: string[] = [];
  const seen = new Map<OciThing, OciState>();
  await eachOf([...things], async (about) => {
    const state = await stateOf(ask, about);
    seen.set(about, state);
    const allowed = [...(possible.get(about) ?? ['missing'])];
    if (!isAllowed(state, allowed)) problems.push(`${about} is ${state}, not ${allowed.join(' or ')}`);
  });
  const count = problems.length;
  assert.equal(count, 0, `${count} problems:\n${problems.slice(0, 20).join('\n')}`);
  return seen;
}

/** Of what comes piece by piece, any part of the last piece may be there. */
function isAllowed(state: OciState, allowed: readonly OciState[]): boolean {
  const sizes = allowed.map(Number).filter((size) => !Number.isNaN(size));
  if (sizes.length === 0 || state === 'missing') return allowed.includes(state);
  return Number(state) >= Math.min(...sizes) && Number(state) <= Math.max(...sizes);
}

async function stateOf(ask: Ask, about: OciThing): Promise<OciState> {
  const [, kind = '', name = '', rest = ''] = /^(\w+) ([^:@]+)(?:[:@](.+))?$/.exec(about) ?? [];
  switch (kind) {
    case 'tag':
      return (await digestAt(ask, `v2/${name}/manifests/${rest}`)) ?? 'missing';
    case 'manifest':
      return isThere(rest, await digestAt(ask, `v2/${name}/manifests/${rest}`));
    case 'blob':
      return isThere(rest, await digestAt(ask, `v2/${name}/blobs/${rest}`));
    case 'visibility':
      return (await ask({ path: `v2/${name}/tags/list` })).status === 200 ? 'public' : 'private';
    default:
      return sizeOf(ask, name);
  }
}

function isThere(wanted: string, found: string | undefined): OciState {
  return found === wanted ? 'there' : (found ?? 'missing');
}

/** Of the bytes that came, and of what was said about them. */
async function digestAt(ask: Ask, path: string): Promise<string | undefined> {
  const { status, headers, body, text } = await ask({ path, token: ADMIN_TOKEN });
  if (status === 404) return undefined;
  assert.equal(status, 200, `${path}: ${status} ${text}`);
  const digest = digestOf(body);
  assert.equal(headers['docker-content-digest'], digest, path);
  return digest;
}

async function sizeOf(ask: Ask, upload: string): Promise<OciState> {
  const [, name = '', id = ''] = /^(.+)\/([^/]+)$/.exec(upload) ?? [];
  const { status, headers, text } = await ask({ path: `v2/${name}/blobs/uploads/${id}`, token: ADMIN_TOKEN });
  if (status === 404) return 'missing';
  assert.equal(status, 204, text);
  const [, last = ''] = /^0-(\d+)$/.exec(String(headers['range'])) ?? [];
  // One byte and none look the same; nobody here sends one.
  return last === '0' ? '0' : String(Number(last) + 1);
}

/** What readers find who have nothing but the files: all that is public, whole, and nothing that is private. */
export async function checkOciFiles(data: string, seen: ReadonlyMap<OciThing, OciState>): Promise<void> {
  const site = await siteFolder(data);
  const files = ociFilesNow(site);
  assert.deepEqual(danglingIn(files), []);
  for (const path of files.paths) {
    const [, digest] = /\/blobs\/(sha256:[^/]+)$/.exec(path) ?? [];
    if (digest !== undefined) assert.equal(digestOf(readFileSync(join(site, path))), digest, path);
  }
  for (const [about, state] of seen) {
    const [, repository] = /^visibility (.+)$/.exec(about) ?? [];
    if (repository === undefined || state !== 'private') continue;
    const shown = [...files.paths].filter((path) => path.startsWith(`v2/${repository}/`));
    assert.deepEqual(shown, [], `${repository} is private`);
  }
}

/** Nothing is left to do, and nothing to mend. */
export async function checkOciStores(data: string): Promise<void> {
  await checkStores(data);
  const { code, stdout, stderr } = await cairn(['doctor', '--data', data]);
  assert.equal(code, 0, stdout + stderr);
  assert.doesNotMatch(stdout, /^(?:problem|warning)/m);
}
