/** Random histories of components: versions with the same bytes, names that are too close, and everything that can happen to them. */
import fc from 'fast-check';
import type { Command } from '../../core/decide.ts';
import type { Step } from './histories.ts';
import { anArtifact, someSettings } from './registry.ts';

export const runMounts = { run: '/run' } as const;

/** Config and manifest are of the version; components may be the same bytes. */
function componentOf(name: string, version: string, content = 'a'): Command & { readonly kind: 'publish' } {
  return {
    kind: 'publish',
    ecosystem: 'run',
    name,
    version,
    artifacts: [
      { ...anArtifact('run', content), role: 'component', mediaType: 'application/wasm' },
      { ...anArtifact(name, `${version} config`), role: 'config' },
      { ...anArtifact(name, `${version} manifest`), role: 'manifest' },
    ],
    meta: { description: `About ${name}, of ${content}.`, exports: [content] },
  };
}

export function runSteps(size: { min: number; max: number }): fc.Arbitrary<Step[]> {
  // The first is the folder of the second, and the last is one name with it.
  const name = fc.constantFrom('acme:a', 'acme:a/b', 'beta:c', 'acme:a_b');
  const version = fc.constantFrom('1.0.0', '1.10.0', '2.0.0-rc.1');
  const visibility = fc.constantFrom('public' as const, 'private' as const);
  const published = fc
    .record({ name, version, content: fc.constantFrom('a', 'b'), isHidden: fc.nat(6) })
    .map(({ name, version, content, isHidden }) => ({
      ...componentOf(name, version, content),
      ...(isHidden === 0 ? { visibility: 'private' as const } : {}),
    }));
  const one = fc.record({ ecosystem: fc.constant('run' as const), name, version });
  const of = name.map((it) => ({ ecosystem: 'run' as const, name: it }));
  const changed: fc.Arbitrary<Command>[] = [
    one.map((it): Command => ({ kind: 'yank', ...it })),
    one.map((it): Command => ({ kind: 'yank', ...it })),
    one.map((it): Command => ({ kind: 'unyank', ...it })),
    one.map((it): Command => ({ kind: 'withdraw', ...it })),
    one.map((it): Command => ({ kind: 'deprecate', ...it, message: 'Use another.' })),
    of.map((it): Command => ({ kind: 'deprecate', ...it })),
    of.map((it): Command => ({ kind: 'undeprecate', ...it })),
    of.map((it): Command => ({ kind: 'withdraw', ...it })),
    fc
      .record({ of, visibility })
      .map(({ of, visibility }): Command => ({ kind: 'set-visibility', ...of, visibility })),
    fc
      .constantFrom(
        someSettings({ mounts: runMounts }),
        someSettings({ mounts: { run: '/', oci: '/v2' } }),
        someSettings({ mounts: { oci: '/v2' } }),
        someSettings({ mounts: runMounts, publicUrl: 'https://other.example' }),
      )
      .map((settings): Command => ({ kind: 'change-settings', settings })),
  ];
  const command = fc.oneof(
    { weight: 5, arbitrary: published },
    { weight: 5, arbitrary: fc.oneof(...changed) },
  );
  return fc.array(
    command.map((command): Step => ({ do: 'execute', command })),
    { minLength: size.min, maxLength: size.max },
  );
}
