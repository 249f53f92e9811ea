/** Looks at a registry from outside and compares it with what its clients were told. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { entryUrlPath } from '../../ecosystems/x07/paths.ts';
import { cairn } from './command-line.ts';
import type { Possible, Release, ReleaseState } from './release-ledger.ts';
import { sha256 } from './traffic.ts';

const run = promisify(execFile);
const READS_AT_ONCE = 8;

interface IndexLine {
  readonly version: string;
  readonly cksum: string;
  readonly yanked: boolean;
}

/**
 * Checks that each of `releases` is in one of its possible states, in every document and with its exact bytes, or in
 * none at all, and that nothing else is there. Returns what was seen.
 */
export async function checkReleases(
  url: string,
  possible: Possible,
  releases: Iterable<Release> = possible.keys(),
): Promise<ReadonlyMap<Release, ReleaseState>> {
  const problems: string[] = [];
  const seen = new Map<Release, ReleaseState>();
  const wanted = byName(releases);
  const known = byName(possible.keys());
  await eachOf([...wanted], async ([name, ofPackage]) => {
    const index = await readIndex(url, name);
    problems.push(...(await disagreements(url, name, index)));
    for (const version of index.keys())
      if (!known.get(name)?.some((release) => release.version === version))
        problems.push(`${name}@${version} is there, and nobody published it`);
    for (const release of ofPackage) {
      const state = stateOf(index.get(release.version));
      seen.set(release, state);
      const allowed = [...(possible.get(release) ?? ['missing'])];
      if (!allowed.includes(state))
        problems.push(`${name}@${release.version} is ${state}, not ${allowed.join(' or ')}`);
      problems.push(...(await wrongBytes(url, release, index.get(release.version))));
    }
  });
  const count = problems.length;
  assert.equal(count, 0, `${count} problems:\n${problems.slice(0, 20).join('\n')}`);
  return seen;
}

function byName(releases: Iterable<Release>): Map<string, Release[]> {
  const grouped = new Map<string, Release[]>();
  for (const release of releases) grouped.set(release.name, [...(grouped.get(release.name) ?? []), release]);
  return grouped;
}

/** Some at once. */
export async function eachOf<T>(items: readonly T[], visit: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: READS_AT_ONCE }, async () => {
      for (const item of rest) await visit(item);
    }),
  );
}

async function readIndex(url: string, name: string): Promise<ReadonlyMap<string, IndexLine>> {
  const response = await fetch(`${url}/x07/${entryUrlPath(name)}`);
  const text = await response.text();
  if (response.status === 404) return new Map();
  assert.equal(response.status, 200, `index of ${name}: ${text}`);
  const lines = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as IndexLine);
  return new Map(lines.map((line) => [line.version, line]));
}

/** Where the package's other document tells another story than its index. */
async function disagreements(
  url: string,
  name: string,
  index: ReadonlyMap<string, IndexLine>,
): Promise<string[]> {
  const response = await fetch(`${url}/x07/v1/packages/${name}`);
  const text = await response.text();
  if (response.status === 404) return index.size === 0 ? [] : [`${name} has an index and no document`];
  const { versions } = JSON.parse(text) as { versions: IndexLine[] };
  const facts = (lines: Iterable<IndexLine>): string[] =>
    [...lines].map(({ version, cksum, yanked }) => `${version} ${cksum} ${yanked}`).sort();
  const [here, there] = [facts(index.values()), facts(versions)];
  return here.join() === there.join() ? [] : [`${name}: index says ${here.join()}, document ${there.join()}`];
}

function stateOf(line: IndexLine | undefined): ReleaseState {
  if (!line) return 'missing';
  return line.yanked ? 'yanked' : 'listed';
}

/** A release is whole or not there at all: bytes without an index line are as wrong as the reverse. */
async function wrongBytes(url: string, release: Release, line: IndexLine | undefined): Promise<string[]> {
  const { name, version, digest } = release;
  const [download, metadata] = await Promise.all(
    ['download', 'metadata'].map((file) => fetch(`${url}/x07/v1/packages/${name}/${version}/${file}`)),
  );
  const bytes = new Uint8Array((await download?.arrayBuffer()) ?? []);
  await metadata?.arrayBuffer();
  const wanted = line ? 200 : 404;
  const problems: string[] = [];
  if (download?.status !== wanted) problems.push(`download is ${download?.status}, not ${wanted}`);
  if (metadata?.status !== wanted) problems.push(`metadata is ${metadata?.status}, not ${wanted}`);
  if (line && sha256(bytes) !== digest) problems.push(`${bytes.length} bytes that are not those published`);
  if (line && line.cksum !== digest) problems.push(`cksum ${line.cksum} is not ${digest}`);
  return problems.map((problem) => `${name}@${version}: ${problem}`);
}

export async function checkReady(url: string): Promise<void> {
  const response = await fetch(`${url}/readyz`);
  assert.equal(response.status, 200, await response.text());
}

/** Ready, and all that is in the log can be read. */
export async function checkAtRest(url: string): Promise<void> {
  const response = await fetch(`${url}/readyz`);
  const { ready, events, onSite } = (await response.json()) as Record<string, unknown>;
  assert.deepEqual({ ready, onSite }, { ready: true, onSite: events });
}

/** Locks, and what was half written, half made or half received. */
const leftover = /\.lock\b|\/=tmp\/|tmp_obj_|\.new(\/|$)|\.next\.|\.probe\.|incoming\/./;

/** What stopped servers have left lying in their data directory, however they ended. */
export async function leftoversIn(data: string): Promise<string[]> {
  return (await readdir(data, { recursive: true })).filter((name) => leftover.test(name));
}

/** The site is, byte for byte, what the log gives, and git finds both logs whole. */
export async function checkStores(data: string): Promise<void> {
  const regen = await cairn(['regen', '--check', '--data', data]);
  assert.deepEqual(
    { code: regen.code, clean: regen.stdout.startsWith('clean') },
    { code: 0, clean: true },
    regen.stdout + regen.stderr,
  );
  for (const repository of ['log.git', 'private.git'])
    await run('git', ['-C', join(data, repository), 'fsck', '--full', '--no-progress']);
}
