import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { allSurfaces } from '../../surfaces/index.ts';
import { wholeDocument } from '../support/openapi-coverage.ts';

test("the API's document passes the linter", async () => {
  const config = await createConfig({
    extends: ['recommended-strict'],
    rules: {
      // The contracts of the clients say so: `/index/` and `/index` are two paths, and a literal segment goes before a name.
      'no-path-trailing-slash': 'off',
      'no-ambiguous-paths': 'off',
      // What anybody may read at a fixed path has nothing to refuse.
      'operation-4xx-response': 'off',
    },
  });
  const limits = allSurfaces.map(({ id }) => [id, { withToken: 2, anonymous: 1 }] as const);
  for (const document of [wholeDocument(), wholeDocument(Object.fromEntries(limits))]) {
    const source = JSON.stringify(document);
    const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config });
    const told = problems.map(
      ({ ruleId, message, location }) => `${ruleId}: ${message} (${location[0]?.pointer})`,
    );
    assert.deepEqual(told, []);
  }
});

test('every operation has a name of its own', () => {
  const { paths } = wholeDocument();
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  const ids = operations.map(({ operationId }) => operationId);
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.length > 30, `${ids.length} operations`);
});
