/** The document of a package of npm: the same bytes however they are put together, and made only when needed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import semver from 'semver';
import type { EventDraft } from '../../core/event.ts';
import { reducePackage } from '../../core/package.ts';
import type { SiteFile } from '../../core/site.ts';
import { distTags, filesForPackage, highestVersion, packument } from '../../ecosystems/npm/files.ts';
import { rules } from '../../ecosystems/npm/names.ts';
import { aPackage, eventsFrom, someSettings } from '../support/registry.ts';

const about = { by: 'ann', ecosystem: 'npm', name: 'lib' } as const;
const site = {
  settings: someSettings({ mounts: { npm: '/npm' } }),
  mount: '/npm',
  baseUrl: 'https://registry.example/npm',
};

function published(version: string): EventDraft {
  const meta = {
    manifest: JSON.stringify({ name: about.name, version, description: 'Grüße 🎉' }),
    integrity: `sha512-${'A'.repeat(86)}==`,
    shasum: '0'.repeat(40),
    fileCount: 1,
    unpackedSize: 1,
  };
  const tarball = {
    role: 'tarball',
    digest: `sha256:${'0'.repeat(64)}`,
    size: 1,
    mediaType: 'application/octet-stream',
  };
  return { kind: 'published', ...about, version, artifacts: [tarball], meta };
}

function yanked(version: string): EventDraft {
  return { kind: 'yanked', ...about, version };
}

const claimed: EventDraft = { kind: 'claimed', ...about, owner: 'ann' };

test('a document is the JSON of its parts, in their order, also where versions are left out', () => {
  const of = aPackage([claimed, published('1.0.0'), published('1.1.0'), published('2.0.0'), yanked('1.0.0')]);
  const text = packument(of, site).toString();
  const document = JSON.parse(text) as Record<string, Record<string, unknown>>;
  assert.equal(JSON.stringify(document), text);
  assert.deepEqual(Object.keys(document['versions'] ?? {}), ['1.1.0', '2.0.0']);
  assert.deepEqual(Object.keys(document['time'] ?? {}), ['created', 'modified', '1.0.0', '1.1.0', '2.0.0']);
  assert.equal(document['versions']?.['2.0.0'] && document['description'], 'Grüße 🎉');
  const again = packument(of, site).toString();
  assert.equal(again, text, 'what is kept of a version is not changed by putting it into a document');
});

test('the document before is not made to see that it differs from the one after', () => {
  const before = aPackage([claimed, published('1.0.0')]);
  const events = eventsFrom([published('1.1.0')], before.lastSeq + 1);
  const after = reducePackage(before, events, rules);
  assert.ok(after);
  const [old, fresh] = [
    documentIn([...filesForPackage(before, site)]),
    documentIn([...filesForPackage(after, site)]),
  ];
  assert.ok('bytes' in old && 'bytes' in fresh);
  assert.notEqual(old.revision, fresh.revision);
  assert.ok(Buffer.from(fresh.bytes).toString().includes(`"_rev":"${fresh.revision}"`), 'it is in the bytes');
  assert.equal(fresh.bytes, fresh.bytes, 'made once');
});

function documentIn(files: readonly SiteFile[]): SiteFile['body'] {
  const found = files.find(({ path }) => path === 'npm/lib/=index');
  assert.ok(found, files.map(({ path }) => path).join(' '));
  return found.body;
}

test('the highest version is what sorting them all gives, pre-releases last and the first of equals', () => {
  const all = ['1.0.0', '1.10.0', '2.0.0-rc.1', '1.10.0+later', '1.9.0', '3.0.0-alpha'];
  for (let count = 1; count <= all.length; count += 1) {
    for (const versions of [all.slice(0, count), all.slice(-count), all.slice(-count).reverse()]) {
      const of = aPackage([claimed, ...versions.map(published)]);
      const stable = versions.filter((version) => semver.prerelease(version) === null);
      const [expected] = (stable.length > 0 ? stable : [...versions]).sort(semver.rcompare);
      assert.equal(highestVersion(of), expected, versions.join(' '));
      assert.deepEqual(distTags(of), { latest: expected });
    }
  }
});
