/** `POST api/v1/packages` (contract, section 3). What is looked at first is upstream's order. */
import { mayWrite } from '../../core/access.ts';
import { RegistryError } from '../../core/errors.ts';
import { requireScope, type Actor } from '../../core/permission.ts';
import type { StagedBlob } from '../../core/ports.ts';
import type { Call, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import type { Artifact } from '../../core/package.ts';
import { openToAll } from '../open-to-all.ts';
import { readWasm, type Wasm } from './component.ts';
import { checkVersion, namespaceOf, rules } from './names.ts';
import { CONFIG_TYPE, configOf, MANIFEST_TYPE, manifestOf, WASM_TYPE } from './oci-artifact.ts';
import { readUpload, type Upload } from './upload.ts';

export async function publish(call: Call, view: StateView): Promise<Intent> {
  const upload = await readUpload(call);
  const { name, version, file } = upload;
  const actor = requirePublisher(call, view, name);
  checkVersion(version);
  requireDigest(upload);
  const wasm = await requireWasm(file);
  const { config, manifest } = await stageOci(call, upload, wasm);
  const { meta: said } = upload;
  const meta = await call.keepMeta(
    wasm.kind === 'component' ? { ...said, imports: wasm.imports, exports: wasm.exports } : said,
  );
  const artifacts: readonly Artifact[] = [
    artifactAs('component', file, WASM_TYPE),
    artifactAs('config', config, CONFIG_TYPE),
    artifactAs('manifest', manifest, MANIFEST_TYPE),
  ];
  return {
    actor,
    // Durable before the event that names them; should it stop in between, a collection of garbage finds what nobody names.
    blobs: [file, config, manifest, ...meta.blobs],
    plan: () => [{ kind: 'publish', ecosystem: 'run', name, version, artifacts, ...meta.fields }],
    // The client looks at the status alone.
    answer: () => ({ status: 201, headers: openToAll }),
  };
}

function artifactAs(role: string, { digest, size }: StagedBlob, mediaType: string): Artifact {
  return { role, digest, size, mediaType };
}

/** Who may not publish there is told so before what is wrong with the upload, as upstream does. */
function requirePublisher(call: Call, view: StateView, name: string): Actor {
  const place = { ecosystem: 'run', name, namespace: namespaceOf(name) } as const;
  const actor = requireScope(call.authenticate(), 'publish', place);
  const namespace = view.namespace('run', place.namespace);
  if (!namespace || mayWrite(actor, { package: view.package('run', name), namespace }, rules)) return actor;
  throw new RegistryError(
    'not-owner',
    `${actor.handle} may not publish in the namespace ${place.namespace}, which others own`,
  );
}

function requireDigest({ sha256, file }: Upload): void {
  const is = file.digest.replace('sha256:', '');
  if (sha256 === undefined || sha256 === is) return;
  throw new RegistryError('digest-mismatch', `the file has the SHA-256 ${is}, and not what sha256 says`);
}

async function requireWasm(file: StagedBlob): Promise<Wasm> {
  const wasm = await readWasm(file.open());
  if (wasm) return wasm;
  throw new RegistryError(
    'invalid-archive',
    'the file is no WebAssembly: a component begins with 00 61 73 6d 0d 00 01 00, a core module with 00 61 73 6d 01 00 00 00',
  );
}

/** Made once, and kept: whatever is written differently one day, no digest that somebody has pinned moves. */
async function stageOci(
  call: Call,
  { name, version, file, meta }: Upload,
  wasm: Wasm,
): Promise<{ config: StagedBlob; manifest: StagedBlob }> {
  const config = await call.stageText(configOf({ created: call.now(), layer: file, wasm }));
  const manifest = await call.stageText(manifestOf({ name, version, config, layer: file, meta }));
  return { config, manifest };
}
