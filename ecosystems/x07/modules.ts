/**
 * The parsing half of upstream's module lint (contract, section 7.1). The other half, the rules of each world, needs
 * upstream's compiler and is left to the client, which runs it before it packs.
 */
import type { RegistryError } from '../../core/errors.ts';
import { quote } from '../quote.ts';
import { badManifest } from './refusals.ts';

/** The syntax tree versions that the deployed server knows, and the one its client has learnt since. */
const astSchemas = new Set(
  ['0.3.0', '0.4.0', '0.5.0', '0.6.0', '0.7.0', '0.8.0', '0.9.0'].map((v) => `x07.x07ast@${v}`),
);
const symbol = /^[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*$/;
const MAX_MESSAGES = 20;

export function isModuleId(id: string): boolean {
  return symbol.test(id);
}

/** @throws RegistryError `PUBLISH_LINT_FAILED`, one line per finding, at most 20 of them. */
export function lintModule(id: string, text: string): void {
  const findings = findingsOf(id, text).slice(0, MAX_MESSAGES);
  if (findings.length > 0) throw lintFailed(findings.map((finding) => `${id}: ${finding}`).join('\n'));
}

export function lintFailed(message: string): RegistryError {
  return badManifest(message, 'PUBLISH_LINT_FAILED');
}

type Tree = Readonly<Record<string, unknown>>;

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function findingsOf(id: string, text: string): string[] {
  let tree: unknown;
  try {
    tree = JSON.parse(text);
  } catch (error) {
    return [`invalid JSON: ${(error as Error).message}`];
  }
  if (!isTree(tree)) return ['the root must be an object'];
  const findings: string[] = [];
  if (typeof tree['schema_version'] !== 'string' || !astSchemas.has(tree['schema_version']))
    findings.push(`schema_version ${quote(tree['schema_version'])} is not supported`);
  if (tree['kind'] !== 'module') findings.push('kind must be "module"');
  if (tree['module_id'] !== id)
    findings.push(`module_id ${quote(tree['module_id'])} is not the id in the manifest`);
  const imports = tree['imports'];
  if (!Array.isArray(imports) || !imports.every((other) => typeof other === 'string' && symbol.test(other)))
    findings.push('imports must be an array of module ids');
  const decls = tree['decls'];
  if (!Array.isArray(decls)) findings.push('decls must be an array');
  else findings.push(...declFindings(id, decls, tree['schema_version'] === 'x07.x07ast@0.9.0'));
  return findings;
}

const kinds = new Set(['export', 'defn', 'defasync', 'extern']);
const newerKinds = new Set(['defrecord', 'defenum']);

function declFindings(id: string, decls: readonly unknown[], isNewer: boolean): string[] {
  const findings: string[] = [];
  const names = new Set<string>();
  let exports = 0;
  for (const [i, decl] of decls.entries()) {
    const kind = isTree(decl) ? decl['kind'] : undefined;
    if (
      !isTree(decl) ||
      typeof kind !== 'string' ||
      !(kinds.has(kind) || (isNewer && newerKinds.has(kind)))
    ) {
      findings.push(`decls[${i}] has no known kind`);
    } else if (kind === 'export') {
      const exported = decl['names'];
      if (
        !Array.isArray(exported) ||
        !exported.every((name) => typeof name === 'string' && symbol.test(name))
      )
        findings.push(`decls[${i}]: names must be an array of symbols`);
      else if (exported.length > 0 && (exports += 1) > 1) findings.push(`decls[${i}]: a second export`);
    } else findings.push(...functionFindings(id, i, kind, decl, names));
  }
  return findings;
}

function functionFindings(id: string, i: number, kind: string, decl: Tree, names: Set<string>): string[] {
  const findings: string[] = [];
  const name = decl['name'];
  if (typeof name !== 'string' || !symbol.test(name)) return [`decls[${i}]: name must be a symbol`];
  if (!name.startsWith(`${id}.`)) findings.push(`decls[${i}]: ${name} must start with ${id}.`);
  if (names.has(name)) findings.push(`decls[${i}]: ${name} is declared twice`);
  names.add(name);
  if (kind === 'defn' || kind === 'defasync')
    for (const field of ['params', 'result', 'body'])
      if (decl[field] === undefined) findings.push(`decls[${i}]: ${name} has no ${field}`);
  return findings;
}
