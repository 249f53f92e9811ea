/** A package of each ecosystem, as events: what the contract of every surface is tried on. */
import type { EcosystemId } from '../../schema/types.ts';
import type { EventDraft } from '../../core/event.ts';
import { anArtifact } from '../support/registry.ts';
import { manifestOf } from '../support/x07-package.ts';

const x07 = { by: 'ann', ecosystem: 'x07', name: 'acme-hello' } as const;
const published = (version: string): EventDraft => ({
  kind: 'published',
  ...x07,
  version,
  artifacts: [anArtifact('acme-hello', version)],
  meta: { manifest: JSON.stringify(manifestOf({ name: 'acme-hello', version })) },
});

export const examples: { readonly [Id in EcosystemId]: readonly EventDraft[] } = {
  x07: [
    { kind: 'claimed', ...x07, owner: 'ann' },
    published('1.0.0'),
    published('1.1.0-rc.1'),
    { kind: 'yanked', ...x07, version: '1.0.0' },
    {
      kind: 'advisory-filed',
      ...x07,
      advisory: { id: 'a', kind: 'broken', severity: 'low', summary: 'No.', versions: ['1.0.0'] },
    },
  ],
};
