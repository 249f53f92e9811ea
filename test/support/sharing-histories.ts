/** Random histories of packages that have a part in one another's documents: of one commit, or with the same files. */
import fc from 'fast-check';
import type { Command } from '../../core/decide.ts';
import { commitRef } from '../../surfaces/pantry/names.ts';
import type { Step } from './histories.ts';
import { anArtifact, someSettings } from './registry.ts';

export const sharedMounts = { npm: '/npm', pantry: '/pantry', zig: '/zig' } as const;

/** Two with one beginning, and that beginning itself. */
export const shas = [
  'abc1234'.padEnd(40, '0'),
  'abc1234'.padEnd(40, '1'),
  'abc1234',
  'fedcba9'.padEnd(40, '2'),
];

/** A tarball of a commit; which of several it is. */
export function commitOf(
  name: string,
  sha: string,
  content = 'a',
): Command & { readonly kind: 'publish-ref' } {
  const artifact = { ...anArtifact(name, `${sha}-${content}`), role: 'tarball' };
  const meta = content === 'b' ? { repository: 'https://git.example/b', packageDir: 'packages/b' } : {};
  return { kind: 'publish-ref', ecosystem: 'npm', name, ref: commitRef(sha), artifacts: [artifact], meta };
}

export function npmVersionOf(name: string, version: string): Command & { readonly kind: 'publish' } {
  return {
    kind: 'publish',
    ecosystem: 'npm',
    name,
    version,
    artifacts: [{ ...anArtifact(name, version), role: 'tarball' }],
    meta: {
      manifest: JSON.stringify({ name, version, description: `About ${name}.` }),
      integrity: `sha512-${'A'.repeat(86)}==`,
      shasum: '0'.repeat(40),
      fileCount: 2,
      unpackedSize: 300,
    },
  };
}

/** Two packages of one `content` have the same hash. */
function zigVersionOf(
  name: string,
  version: string,
  content: string,
): Command & { readonly kind: 'publish' } {
  const hash = `lib-1.0.0-${content.repeat(44)}`;
  const legacyHash = `1220${content.repeat(64)}`;
  return {
    kind: 'publish',
    ecosystem: 'zig',
    name,
    version,
    artifacts: [{ ...anArtifact(name, version), role: 'tarball' }],
    keys: [`hash:${hash}`, `hash:${legacyHash}`],
    meta: { hash, legacyHash, unpackedSize: 100, fileCount: 1 },
  };
}

export function sharingSteps(size: { min: number; max: number }): fc.Arbitrary<Step[]> {
  const npmName = fc.constantFrom('@s/x', '@s/y', 'z');
  const zigName = fc.constantFrom('lib-a', 'lib-b', 'lib-c');
  const version = fc.constantFrom('1.0.0', '2.0.0-rc.1', '2.0.0');
  const sha = fc.constantFrom(...shas);
  const content = fc.constantFrom('a', 'b');
  const visibility = fc.constantFrom('public' as const, 'private' as const);
  const hidden = fc
    .nat(4)
    .map((chance): { visibility?: 'private' } => (chance === 0 ? { visibility: 'private' } : {}));
  const commit = fc
    .record({ npmName, sha, content, hidden })
    .map(({ npmName, sha, content, hidden }) => ({ ...commitOf(npmName, sha, content), ...hidden }));
  const npmVersion = fc
    .record({ npmName, version, hidden })
    .map(({ npmName, version, hidden }) => ({ ...npmVersionOf(npmName, version), ...hidden }));
  const zigVersion = fc
    .record({ zigName, version, content, hidden })
    .map(({ zigName, version, content, hidden }) => ({
      ...zigVersionOf(zigName, version, content),
      ...hidden,
    }));
  const of = fc.oneof(
    npmName.map((name) => ({ ecosystem: 'npm' as const, name })),
    zigName.map((name) => ({ ecosystem: 'zig' as const, name })),
  );
  const scope = { ecosystem: 'npm', name: '@s', of: 'namespace' } as const;
  const ofCommit = fc
    .record({ npmName, sha })
    .map(({ npmName, sha }) => ({ ecosystem: 'npm' as const, name: npmName, ref: commitRef(sha) }));
  const rarer: fc.Arbitrary<Command>[] = [
    ofCommit.map((it): Command => ({ kind: 'expire', ...it })),
    ofCommit.map((it): Command => ({ kind: 'remove-ref', ...it })),
    of.map((it): Command => ({ kind: 'withdraw', ...it })),
    fc.record({ of, version }).map(({ of, version }): Command => ({ kind: 'withdraw', ...of, version })),
    fc.record({ of, version }).map(({ of, version }): Command => ({ kind: 'yank', ...of, version })),
    fc
      .record({ of, visibility })
      .map(({ of, visibility }): Command => ({ kind: 'set-visibility', ...of, visibility })),
    of.map((it): Command => ({ kind: 'claim', ...it, owner: 'ann' })),
    of.map((it): Command => ({ kind: 'add-owner', ...it, owner: 'bob' })),
    of.map((it): Command => ({ kind: 'deprecate', ...it, message: 'Use another.' })),
    of.map((it): Command => ({ kind: 'undeprecate', ...it })),
    fc
      .record({
        of: fc.oneof(of, fc.constant(scope)),
        access: fc.constantFrom('read' as const, 'write' as const),
      })
      .map(({ of, access }): Command => ({ kind: 'set-member', ...of, member: 'carl', access })),
    fc.oneof(of, fc.constant(scope)).map((it): Command => ({ kind: 'remove-member', ...it, member: 'carl' })),
    fc.record({ npmName, version }).map(({ npmName, version }): Command => ({
      kind: 'set-ref',
      ecosystem: 'npm',
      name: npmName,
      ref: 'latest',
      target: version,
    })),
    fc
      .constantFrom(
        someSettings({ mounts: sharedMounts }),
        someSettings({ mounts: { ...sharedMounts, pantry: '/' } }),
        someSettings({ mounts: { pantry: '/pantry' }, publicUrl: 'https://other.example' }),
      )
      .map((settings): Command => ({ kind: 'change-settings', settings })),
  ];
  const command = fc.oneof(
    { weight: 6, arbitrary: commit },
    { weight: 2, arbitrary: npmVersion },
    { weight: 5, arbitrary: zigVersion },
    { weight: 7, arbitrary: fc.oneof(...rarer) },
  );
  return fc.array(
    command.map((command): Step => ({ do: 'execute', command })),
    { minLength: size.min, maxLength: size.max },
  );
}
