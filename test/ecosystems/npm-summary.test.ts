/** What a package of npm says of itself to searches and audits, from events. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventDraft } from '../../core/event.ts';
import type { FiledAdvisory, Package } from '../../core/package.ts';
import { rules } from '../../ecosystems/npm/names.ts';
import { hasWarnings, readSummary, summarize, type NpmSummary } from '../../ecosystems/npm/summary.ts';
import { numbered } from '../../ecosystems/npm/warnings.ts';
import { aPackage, someSettings } from '../support/registry.ts';

const about = { by: 'ann', ecosystem: 'npm', name: '@acme/lib' } as const;
const site = {
  settings: someSettings({ mounts: { npm: '/npm' } }),
  mount: '/npm',
  baseUrl: 'https://registry.example/npm',
};

function published(version: string, manifest: object = {}): EventDraft {
  const meta = {
    manifest: JSON.stringify({ name: about.name, version, ...manifest }),
    integrity: `sha512-${'A'.repeat(86)}==`,
    shasum: '0'.repeat(40),
    fileCount: 1,
    unpackedSize: 1,
  };
  return { kind: 'published', ...about, version, artifacts: [], meta };
}
function tagged(version: string): EventDraft {
  return { kind: 'ref-set', ...about, ref: 'latest', target: version };
}
function filed(id: string, advisory: Partial<FiledAdvisory>): EventDraft {
  const { versions, range, kind = 'security' } = advisory;
  return {
    kind: 'advisory-filed',
    ...about,
    advisory: {
      id,
      kind,
      severity: 'low',
      summary: 'No.',
      ...(versions ? { versions: [...versions] } : {}),
      ...(range === undefined ? {} : { range }),
    },
  };
}
function packageOf(...drafts: EventDraft[]): Package {
  return aPackage([{ kind: 'claimed', ...about, owner: 'ann' }, ...drafts], rules);
}
function summaryOf(...drafts: EventDraft[]): NpmSummary {
  const summary = summarize(packageOf(...drafts), site);
  assert.ok(summary);
  assert.doesNotMatch(summary.text, /[\n\t]/);
  return readSummary(summary);
}

test('a summary is of the version that latest is at', () => {
  const manifest = {
    description: ' A library. ',
    keywords: 'one, two two',
    author: { name: 'Barney', email: 'b@rubble.example' },
    homepage: 'https://acme.example/',
    repository: { type: 'git', url: 'git+https://git.example/acme/lib.git' },
    bugs: { url: 'https://git.example/acme/lib/issues' },
  };
  const summary = summaryOf(
    published('1.0.0', manifest),
    tagged('1.0.0'),
    published('2.0.0', { description: 'Newer.' }),
    { kind: 'starred', ...about },
  );
  assert.deepEqual(summary, {
    name: '@acme/lib',
    version: '1.0.0',
    date: summary.date,
    description: 'A library.',
    keywords: ['one', 'two'],
    author: 'Barney',
    publisher: 'ann',
    maintainers: ['ann'],
    links: {
      npm: 'https://registry.example/npm/@acme/lib',
      homepage: 'https://acme.example/',
      repository: 'https://git.example/acme/lib.git',
      bugs: 'https://git.example/acme/lib/issues',
    },
    stars: ['ann'],
  });
});

test('a package whose versions are all gone has no summary', () => {
  assert.equal(summarize(packageOf(published('1.0.0'), { kind: 'withdrawn', ...about }), site), undefined);
});

test('a summary is short whatever the manifest says', () => {
  // Cut at any number of characters, some text ends in the middle of one.
  for (const start of ['', 'x']) {
    const long = start + '\u{1F4A9}"\\'.repeat(20_000);
    const links = { homepage: `https://x.example/${long}`, bugs: { url: `https://x.example/${long}` } };
    const keywords = Array.from({ length: 1000 }, (_, i) => `${i}${long.slice(0, 400)}`);
    const summary = summaryOf(published('1.0.0', { description: long, keywords, author: long, ...links }));
    const { length } = JSON.stringify(summary);
    assert.ok(length < 8192, `${length} characters`);
    const { description = '', author = '', keywords: kept = [] } = summary;
    assert.ok(description.length > 200 && kept.length > 20);
    assert.doesNotThrow(
      () => encodeURIComponent([description, author, ...kept].join('')),
      'half a character',
    );
  }
});

test('what has another type than it should is left out, and so are links that run scripts', () => {
  const { description, keywords, author, links } = summaryOf(
    published('1.0.0', {
      description: ['x'],
      keywords: [1, null, { a: 1 }, 'good', 'good', ''],
      author: 7,
      homepage: 'javascript:alert(1)',
      repository: 'acme/lib',
      bugs: null,
    }),
  );
  assert.deepEqual(
    [description, keywords, author, Object.keys(links)],
    [undefined, ['good'], undefined, ['npm']],
  );
});

test('a summary says when the latest version is deprecated, unstable or warned of', () => {
  const traits = (...drafts: EventDraft[]): string[] => {
    const { deprecated, unstable, insecure, advised } = summaryOf(...drafts);
    return Object.entries({ deprecated, unstable, insecure, advised }).flatMap(([name, is]) =>
      is ? [name] : [],
    );
  };
  const release = published('1.0.0');
  assert.deepEqual(traits(release), []);
  assert.deepEqual(traits(published('0.9.0')), ['unstable']);
  assert.deepEqual(traits(published('1.0.0-rc.1')), ['unstable']);
  assert.deepEqual(traits(release, { kind: 'deprecated', ...about, version: '1.0.0', message: 'No.' }), [
    'deprecated',
  ]);
  assert.deepEqual(traits(release, filed('a', { versions: ['1.0.0'] })), ['insecure', 'advised']);
  assert.deepEqual(traits(release, filed('a', { range: '<1.0.0' })), ['advised']);
  assert.deepEqual(traits(release, filed('a', { range: '<=1.0.0' })), ['insecure', 'advised']);
  assert.deepEqual(traits(release, filed('a', { kind: 'deprecated' })), []);
  const withdrawn = { kind: 'advisory-withdrawn', ...about, advisoryId: 'a' } as const;
  assert.deepEqual(traits(release, filed('a', { range: '*' }), withdrawn), []);
});

test('a text that looks like a warning is none', () => {
  const description = '"advised":true,"advised":true';
  const summary = summarize(packageOf(published('1.0.0', { description })), site);
  assert.ok(summary);
  assert.equal(hasWarnings(summary), false);
});

test('two advisories of a package never share a number, and keep theirs when one is withdrawn', () => {
  const of = packageOf(published('1.0.0'), filed('a', {}));
  const [example] = of.advisories.values();
  assert.ok(example);
  const withAdvisories = (list: readonly FiledAdvisory[]): Package => ({
    ...of,
    advisories: new Map(list.map((advisory) => [advisory.id, advisory])),
  });
  const numberOf = (advisory: FiledAdvisory): number =>
    [...numbered(withAdvisories([advisory])).keys()][0] ?? NaN;
  // Numbers have 31 bits: among a hundred thousand, two are the same.
  const byNumber = new Map<number, FiledAdvisory>();
  let pair: readonly [FiledAdvisory, FiledAdvisory] | undefined;
  for (let i = 0; !pair; i += 1) {
    const advisory = { ...example, id: `advisory-${i}` };
    const other = byNumber.get(numberOf(advisory));
    if (other) pair = [other, advisory];
    byNumber.set(numberOf(advisory), advisory);
  }
  const [first, second] = pair;
  const number = numberOf(first);
  assert.equal(numberOf(second), number);
  assert.deepEqual([...numbered(withAdvisories([first, second])).keys()], [number, number + 1]);
  const withdrawn = { ...first, withdrawnAt: first.filedAt };
  assert.deepEqual([...numbered(withAdvisories([withdrawn, second])).keys()], [number, number + 1]);
});
