/** `openapi-coverage.ts FILE`: fails when the API's document describes an answer that no test has seen. */
import { readFileSync } from 'node:fs';
import type { SaidLimits } from '../../api/limits.ts';
import { apiDocument } from '../../api/own-surface.ts';
import { allSurfaces } from '../../surfaces/index.ts';
import type { Document } from './openapi-check.ts';

const mounts = Object.fromEntries(
  allSurfaces.filter(({ below }) => !below).map(({ id, defaultMount }) => [id, defaultMount]),
);

/** As a registry with every surface at its own place serves it; with limits of the operator, where they are given. */
export function wholeDocument(said: SaidLimits = {}): Document {
  const settings = { publicUrl: 'https://registry.test', mounts };
  return JSON.parse(
    JSON.stringify(
      apiDocument({ surfaces: allSurfaces, version: '0.0.0', settings: () => settings, limits: { said } }),
    ),
  ) as Document;
}

/** Any file can be asked for in part or conditionally, anybody can guess at passwords; that is shown for some of them. */
const common = new Set(['206', '304', '416', '429', 'default']);

/** What stands a second time, below another surface, is the same code: an answer that was seen at either place was seen. */
const twins = new Map(
  allSurfaces.flatMap(({ id, below }): [string, string][] => (below ? [[id, below.twin]] : [])),
);

function atTwin(answer: string): string {
  const [surface = '', ...rest] = answer.split('.');
  return [twins.get(surface) ?? surface, ...rest].join('.');
}

const [file] = process.argv.slice(2);
if (file !== undefined && process.argv[1]?.endsWith('openapi-coverage.ts')) {
  const seen = new Set(readFileSync(file, 'utf8').split('\n').map(atTwin));
  const document = wholeDocument();
  const described = Object.values(document.paths)
    .flatMap((methods) => Object.values(methods))
    .flatMap(({ operationId, responses }) =>
      Object.keys(responses).map((status) => `${operationId} ${status}`),
    );
  const unseen = described.filter(
    (answer) => !common.has(answer.split(' ')[1] ?? '') && !seen.has(atTwin(answer)),
  );
  for (const answer of unseen)
    console.error(`described in the API's document, and seen by no test: ${answer}`);
  if (unseen.length > 0) process.exitCode = 1;
  else
    console.log(
      `the API's document: ${described.length} answers described, ${seen.size} kinds seen, none missing`,
    );
}
