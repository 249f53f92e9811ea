/** npm packages of thousands of versions, appended to the log of a registry that a server has created. */
import { createHash } from 'node:crypto';
import { openRegistry } from '../bin/open-registry.ts';
import { ADMINISTRATOR } from '../api/auth.ts';
import { EVENT_FORMAT, type RegistryEvent } from '../core/event.ts';
import { integrityOf, packageJson, packNpm, type NpmPackage } from '../test/support/npm-package.ts';
import { randomFrom } from './registry-generator.ts';

/** How many versions each package gets, by its name. */
export type NpmShape = Readonly<Record<string, number>>;

const BATCH_EVENTS = 4_096;

/** What a real manifest of a small library says: 1.5 KB with what npm adds. */
export function realistic(name: string, version: string): NpmPackage {
  const dependencies = Object.fromEntries(
    Array.from({ length: 14 }, (_, i) => [`@example/${name}-part-${i}`, `^${i}.${i * 3}.1`]),
  );
  const repository = `https://git.example/example/${name}`;
  return {
    name,
    version,
    manifest: {
      description: `The parts of ${name}, put together so that nobody else has to.`,
      keywords: ['example', 'library', 'parts', name],
      homepage: `${repository}#readme`,
      bugs: { url: `${repository}/issues` },
      repository: { type: 'git', url: `git+${repository}.git`, directory: `packages/${name}` },
      author: { name: 'A. Author', email: 'author@mail.example', url: 'https://author.example' },
      type: 'module',
      exports: {
        '.': { types: './dist/index.d.ts', import: './dist/index.js', require: './dist/index.cjs' },
      },
      files: ['dist', 'README.md'],
      engines: { node: '>=18' },
      scripts: { build: 'tsc -p .', test: 'node --test', lint: 'eslint .', prepublishOnly: 'npm run build' },
      dependencies,
      devDependencies: { typescript: '^5.9.3', eslint: '^9.0.0', '@types/node': '^20.0.0', tsx: '^4.0.0' },
    },
    files: { 'README.md': `# ${name}\n\n${'What it does, and how it is used.\n'.repeat(60)}` },
  };
}

/** The version that a package with `count` versions gets next. */
export function versionAt(count: number): string {
  return `${Math.floor(count / 400)}.${Math.floor(count / 20) % 20}.${count % 20}`;
}

/** As if each version had been published by the administrator, and tagged. All share the blobs of the first. */
export async function appendNpmPackages(dataDirectory: string, shape: NpmShape): Promise<void> {
  const registry = await openRegistry({ dataDirectory });
  const { log, blobs, state } = registry;
  const random = randomFrom(1);
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
  const keyId = state.settings.keys?.find(({ ecosystem }) => ecosystem === 'npm')?.id;
  let at = Date.parse(log.read(log.length - 1).at);
  let [seq, batch] = [log.length, [] as RegistryEvent[]];
  const store = async (bytes: Buffer): Promise<{ digest: string; size: number }> => {
    const staged = await blobs.stage(one(bytes), { maxBytes: bytes.length });
    await staged.commit();
    return { digest: staged.digest, size: staged.size };
  };
  try {
    for (const [name, versions] of Object.entries(shape)) {
      const tarball = packNpm(realistic(name, '0.0.0'));
      const readme = Buffer.from(realistic(name, '0.0.0').files?.['README.md'] ?? '');
      const artifacts = [
        { role: 'tarball', ...(await store(tarball)), mediaType: 'application/octet-stream' },
        { role: 'readme', ...(await store(readme)), mediaType: 'text/markdown' },
      ];
      let prev: number | undefined;
      const add = (facts: object): void => {
        const place = { v: EVENT_FORMAT, seq, id: hex(32), at: new Date((at += 1)).toISOString() };
        const of = { by: ADMINISTRATOR, ecosystem: 'npm', name, ...(prev === undefined ? {} : { prev }) };
        batch.push({ ...place, ...of, ...facts } as RegistryEvent);
        prev = seq;
        seq += 1;
      };
      add({ kind: 'claimed', owner: ADMINISTRATOR });
      for (let i = 0; i < versions; i += 1) {
        const version = versionAt(i);
        const signature = { keyId, kind: 'ecdsa-sha2-nistp256', value: hex(96) };
        add({
          kind: 'published',
          version,
          artifacts,
          meta: {
            manifest: JSON.stringify(packageJson(realistic(name, version))),
            integrity: integrityOf(Buffer.from(`${name}@${version}`)),
            shasum: createHash('sha1').update(version).digest('hex'),
            fileCount: 3,
            unpackedSize: 4_000 + i,
            readmeFilename: 'README.md',
          },
          ...(keyId === undefined ? {} : { signatures: [signature] }),
        });
        add({ kind: 'ref-set', ref: 'latest', target: version });
        if (batch.length < BATCH_EVENTS) continue;
        await log.append(batch);
        batch = [];
      }
    }
    if (batch.length > 0) await log.append(batch);
  } finally {
    await registry.close();
  }
}

async function* one(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield bytes;
}
