/** Clients that push, tag, mount, hide and delete at the same time, and keep a book of what they were told. */
import assert from 'node:assert/strict';
import { digestOf } from '../../core/digest.ts';
import { asker, type Ask, type Asked } from './asking.ts';
import type { Answer } from './http.ts';
import { anImage, anIndex, assertOciError, IMAGE, INDEX } from './oci-api.ts';
import {
  thing,
  type Conversation,
  type Image,
  type OciBook,
  type OciState,
  type OciThing,
} from './oci-book.ts';
import type { SeededRandom } from './seeded-random.ts';
import { ADMIN_TOKEN } from './server-process.ts';

/** Kinds of requests; `between` is the moment at which all blobs of an image are there, and nothing names them yet. */
export const ociMoments = [
  'blob',
  'chunk',
  'last chunk',
  'mount',
  'between',
  'manifest',
  'tag move',
  'index',
  'tag delete',
  'manifest delete',
  'blob delete',
  'visibility',
] as const;
export type OciMoment = (typeof ociMoments)[number];

export interface OciTraffic {
  /** Resolves once every client has seen its connection break. */
  readonly broken: Promise<void>;
  /** Resolves when a request of that kind has just been sent, or none will be any more. */
  during(moment: OciMoment): Promise<void>;
  /** What is under way finishes. @throws Error when something was refused: none of what is asked for here is wrong. */
  stop(): Promise<void>;
}

interface OciTrafficOptions {
  readonly book: OciBook;
  readonly random: SeededRandom;
  readonly clients?: number;
}

export const ociServerEnv = { CAIRN_ECOSYSTEMS: 'oci', CAIRN_OCI_VISIBILITY: 'public' } as const;

const SHARED = ['acme/app', 'acme/team/tool'];
/** In every image: it is pushed once, and mounted from then on. */
const BASE = Buffer.from('the base of all images\n'.repeat(500));
const base = {
  mediaType: 'application/vnd.oci.image.layer.v1.tar',
  digest: digestOf(BASE),
  size: BASE.length,
};
const TAGS_EACH = 2;
const CHUNKS = 3;
const MOST_BYTES = 30_000;
let written = 0;

/** The connection broke before the whole answer was here: whether it happened, nobody can say. */
class Broken extends Error {}

export function startOciTraffic(url: string, { book, random, clients = 5 }: OciTrafficOptions): OciTraffic {
  let isStopped = false;
  const refusals: string[] = [];
  const waiting = new Map<OciMoment, (() => void)[]>();
  let wanted: OciMoment | undefined;
  const tell = (moment: OciMoment): void => {
    for (const resolve of waiting.get(moment)?.splice(0) ?? []) resolve();
  };

  async function work(number: number): Promise<void> {
    const client = new Client({ ask: asker({ url }, ''), book, random, number, tell });
    while (!isStopped)
      try {
        await client.write(wanted);
      } catch (error) {
        if (error instanceof Broken) return;
        refusals.push((error as Error).message);
        if (refusals.length > 20) return;
      }
  }

  const broken = Promise.all(Array.from({ length: clients }, (_, number) => work(number))).then(() => {
    for (const moment of waiting.keys()) tell(moment);
    if (refusals.length > 0) throw new Error(`writes were refused:\n${refusals.join('\n')}`);
  });
  // A refusal is reported by `stop`; until then nobody listens.
  broken.catch(() => undefined);
  return {
    broken,
    async during(moment) {
      wanted = moment;
      await new Promise<void>((resolve) => {
        waiting.set(moment, [...(waiting.get(moment) ?? []), resolve]);
        broken.then(resolve, () => resolve());
      });
    },
    stop() {
      isStopped = true;
      return broken;
    },
  };
}

/**
 * Goes on with an upload where the server says that it stands. Where the power went before a piece was acknowledged, of that
 * piece there may be its length and no more: then the server says so in the end, and the client begins again.
 * @throws AssertionError unless the blob is then whole.
 */
export async function finishConversation(
  url: string,
  { name, id, bytes, digest }: Conversation,
  { mayBeTorn }: { readonly mayBeTorn: boolean },
): Promise<void> {
  const ask = asker({ url }, '');
  const [token, path] = [ADMIN_TOKEN, `v2/${name}/blobs/uploads/${id}`];
  const { headers } = await ask({ token, path });
  const last = Number(/^0-(\d+)$/.exec(String(headers['range']))?.[1]);
  const from = last === 0 ? 0 : last + 1;
  if (from < bytes.length) {
    const rest = bytes.subarray(from);
    const range = { 'content-range': `${from}-${bytes.length - 1}` };
    const goneOn = await ask({ token, method: 'PATCH', path, body: rest, headers: range });
    assert.equal(goneOn.status, 202, goneOn.text);
  }
  const finished = await ask({ token, method: 'PUT', path: `${path}?digest=${digest}` });
  if (mayBeTorn && finished.status === 400) {
    assertOciError(finished, 400, 'DIGEST_INVALID');
    const again = { token, method: 'POST', path: `v2/${name}/blobs/uploads/?digest=${digest}`, body: bytes };
    assert.equal((await ask(again)).status, 201);
  } else assert.equal(finished.status, 201, finished.text);
  const blob = await ask({ token, path: `v2/${name}/blobs/${digest}` });
  assert.equal(blob.status, 200);
  assert.ok(blob.body.equals(bytes), 'other bytes than were sent');
}

interface ClientDeps {
  readonly ask: Ask;
  readonly book: OciBook;
  readonly random: SeededRandom;
  readonly number: number;
  readonly tell: (moment: OciMoment) => void;
}

type Facts = readonly (readonly [OciThing, OciState])[];

class Client {
  readonly #ask: Ask;
  readonly #book: OciBook;
  readonly #random: SeededRandom;
  readonly #number: number;
  readonly #tell: (moment: OciMoment) => void;

  constructor({ ask, book, random, number, tell }: ClientDeps) {
    this.#ask = ask;
    this.#book = book;
    this.#random = random;
    this.#number = number;
    this.#tell = tell;
  }

  get #own(): string {
    return `acme/own-${this.#number}`;
  }

  get #images(): readonly Image[] {
    return this.#book.images.filter(({ client }) => client === this.#number);
  }

  /** One thing that a client does, of several requests; where it can, one that leads to such a moment. */
  async write(wanted?: OciMoment): Promise<void> {
    const moment = wanted !== undefined && this.#random.chance(0.5) ? wanted : this.#random.pick(ociMoments);
    switch (moment) {
      case 'tag delete':
        if (await this.#deleteTag()) return;
        break;
      case 'manifest delete':
        if (await this.#deleteManifest()) return;
        break;
      case 'blob delete':
        if ((await this.#deleteBlob()) || (await this.#deleteManifest())) return;
        break;
      case 'visibility':
        if (await this.#changeVisibility()) return;
        return this.#push(this.#own);
      case 'index':
        if (await this.#pushIndex()) return;
        break;
      case 'chunk':
      case 'last chunk':
        return this.#goOn(await this.#conversation());
      case 'mount':
        if (await this.#mountLayer()) return;
        break;
      case 'blob':
      case 'between':
      case 'manifest':
      case 'tag move':
      case undefined:
    }
    return this.#push(this.#random.pick([...SHARED, this.#own]) ?? this.#own);
  }

  async #push(name: string): Promise<void> {
    const config = Buffer.from(JSON.stringify({ os: 'linux', of: this.#unique() }));
    const layer = this.#bytes();
    await allOf([this.#pushBase(name), this.#pushBlob(name, config), this.#pushBlob(name, layer)]);
    this.#tell('between');
    const manifest = anImage(described(config), [base, described(layer)]);
    await this.#pushManifest(name, manifest, digestOf(layer));
  }

  async #pushIndex(): Promise<boolean> {
    const { name } = this.#random.pick(this.#images) ?? {};
    const children = this.#random.sample(
      this.#images.filter(
        (one) =>
          one.name === name &&
          one.mediaType === IMAGE &&
          this.#book.isThere('manifest', one.name, one.digest),
      ),
      2,
    );
    if (name === undefined || children.length < 2) return false;
    for (const child of children) child.isListed = true;
    await this.#pushManifest(name, anIndex(children, { annotations: { of: this.#unique() } }), undefined);
    return true;
  }

  async #pushManifest(name: string, manifest: object, layer: string | undefined): Promise<void> {
    const body = Buffer.from(JSON.stringify(manifest));
    const { mediaType } = manifest as { mediaType: string };
    const digest = digestOf(body);
    const tag = this.#random.chance(0.8) ? this.#tag() : undefined;
    const image = {
      name,
      digest,
      size: body.length,
      mediaType,
      layer,
      client: this.#number,
      isListed: false,
    };
    this.#book.images.push(image);
    const isMove = tag !== undefined && this.#book.stateOf(thing.tag(name, tag)) !== 'missing';
    const path = `v2/${name}/manifests/${tag ?? digest}`;
    await this.#send(
      mediaType === INDEX ? 'index' : isMove ? 'tag move' : 'manifest',
      [
        [thing.manifest(name, digest), 'there'],
        ...(tag === undefined ? [] : [[thing.tag(name, tag), digest] as const]),
      ],
      { method: 'PUT', path, body, headers: { 'content-type': mediaType } },
      201,
    );
  }

  #tag(): string {
    return `c${this.#number}-${this.#random.below(TAGS_EACH)}`;
  }

  async #pushBase(name: string): Promise<void> {
    if (this.#book.isThere('blob', name, base.digest)) return;
    const from = [...SHARED, this.#own].find((other) => this.#book.isThere('blob', other, base.digest));
    if (from === undefined) return this.#pushBlob(name, BASE);
    const path = `v2/${name}/blobs/uploads/?mount=${base.digest}&from=${from}`;
    await this.#send('mount', [[thing.blob(name, base.digest), 'there']], { method: 'POST', path }, 201);
  }

  /** A layer of its own into a repository that has not got it: what all images have in common is everywhere soon. */
  async #mountLayer(): Promise<boolean> {
    const name = this.#random.pick([...SHARED, this.#own]) ?? this.#own;
    const image = this.#images.findLast(
      (one) =>
        one.layer !== undefined &&
        this.#book.isThere('blob', one.name, one.layer) &&
        !this.#book.isThere('blob', name, one.layer),
    );
    if (image?.layer === undefined) return false;
    const path = `v2/${name}/blobs/uploads/?mount=${image.layer}&from=${image.name}`;
    await this.#send('mount', [[thing.blob(name, image.layer), 'there']], { method: 'POST', path }, 201);
    return true;
  }

  async #pushBlob(name: string, bytes: Buffer): Promise<void> {
    const digest = digestOf(bytes);
    const path = `v2/${name}/blobs/uploads/?digest=${digest}`;
    await this.#send(
      'blob',
      [[thing.blob(name, digest), 'there']],
      { method: 'POST', path, body: bytes },
      201,
    );
  }

  /** One that is under way, also since before the last restart. */
  async #conversation(): Promise<Conversation> {
    const known = [...this.#book.conversations].find(({ client }) => client === this.#number);
    if (known) return known;
    const name = this.#random.pick(SHARED) ?? this.#own;
    const path = `v2/${name}/blobs/uploads/`;
    const { headers } = await this.#request({ method: 'POST', path }, 202);
    const bytes = this.#bytes();
    const begun = {
      name,
      id: String(headers['docker-upload-uuid']),
      bytes,
      digest: digestOf(bytes),
      client: this.#number,
    };
    this.#book.conversations.add(begun);
    this.#book.ledger.begin(thing.upload(name, begun.id), '0');
    this.#book.ledger.acknowledge(thing.upload(name, begun.id), '0');
    return begun;
  }

  async #goOn(conversation: Conversation): Promise<void> {
    const { name, id, bytes, digest } = conversation;
    const upload = thing.upload(name, id);
    const from = Number(this.#book.stateOf(upload));
    const path = `v2/${name}/blobs/uploads/${id}`;
    if (from < bytes.length) {
      const piece = bytes.subarray(from, from + Math.ceil(bytes.length / CHUNKS));
      const headers = { 'content-range': `${from}-${from + piece.length - 1}` };
      const facts: Facts = [[upload, String(from + piece.length)]];
      await this.#send('chunk', facts, { method: 'PATCH', path, body: piece, headers }, 202);
      return;
    }
    const facts: Facts = [
      [upload, 'missing'],
      [thing.blob(name, digest), 'there'],
    ];
    await this.#send('last chunk', facts, { method: 'PUT', path: `${path}?digest=${digest}` }, 201);
    this.#book.conversations.delete(conversation);
  }

  async #deleteTag(): Promise<boolean> {
    const [name, tag] = [this.#random.pick([...SHARED, this.#own]) ?? this.#own, this.#tag()];
    const state = this.#book.stateOf(thing.tag(name, tag));
    if (state === undefined || state === 'missing') return false;
    const path = `v2/${name}/manifests/${tag}`;
    await this.#send('tag delete', [[thing.tag(name, tag), 'missing']], { method: 'DELETE', path }, 202);
    return true;
  }

  /** Its tags go with it, and its blobs stay. */
  async #deleteManifest(): Promise<boolean> {
    const image = this.#random.pick(
      this.#images.filter(
        ({ name, digest, isListed }) => !isListed && this.#book.isThere('manifest', name, digest),
      ),
    );
    if (!image) return false;
    const { name, digest } = image;
    const tags = Array.from({ length: TAGS_EACH }, (_, i) => thing.tag(name, `c${this.#number}-${i}`));
    await this.#send(
      'manifest delete',
      [thing.manifest(name, digest), ...tags.filter((tag) => this.#book.stateOf(tag) === digest)].map(
        (gone) => [gone, 'missing'] as const,
      ),
      { method: 'DELETE', path: `v2/${name}/manifests/${digest}` },
      202,
    );
    return true;
  }

  async #deleteBlob(): Promise<boolean> {
    const image = this.#images.find(
      ({ name, digest, layer }) =>
        layer !== undefined &&
        this.#book.stateOf(thing.manifest(name, digest)) === 'missing' &&
        this.#book.isThere('blob', name, layer),
    );
    if (image?.layer === undefined) return false;
    const { name, layer } = image;
    const path = `v2/${name}/blobs/${layer}`;
    await this.#send('blob delete', [[thing.blob(name, layer), 'missing']], { method: 'DELETE', path }, 202);
    return true;
  }

  async #changeVisibility(): Promise<boolean> {
    const name = this.#own;
    if (!this.#images.some((one) => one.name === name && this.#book.isThere('manifest', name, one.digest)))
      return false;
    const before = this.#book.stateOf(thing.visibility(name));
    const visibility = before === 'private' ? 'public' : 'private';
    // What is pushed there first is for everybody.
    if (before === 'missing') this.#book.ledger.settle(thing.visibility(name), 'public');
    await this.#send(
      'visibility',
      [[thing.visibility(name), visibility]],
      { method: 'PUT', path: `api/v1/${name}/visibility`, json: { visibility } },
      200,
    );
    return true;
  }

  /** Enters in the book what is known of it. @throws Broken; Error with what was refused */
  async #send(moment: OciMoment, facts: Facts, asked: Asked, status: number): Promise<void> {
    const { ledger } = this.#book;
    for (const [about, to] of facts) ledger.begin(about, to);
    const answer = this.#request(asked, status);
    this.#tell(moment);
    await answer;
    for (const [about, to] of facts) ledger.acknowledge(about, to);
  }

  async #request(asked: Asked, status: number): Promise<Answer> {
    let answer: Answer;
    try {
      answer = await this.#ask({ token: ADMIN_TOKEN, ...asked });
    } catch (error) {
      throw new Broken('broken', { cause: error });
    }
    if (answer.status === status) return answer;
    throw new Error(`${asked.method} ${asked.path}: ${answer.status} ${answer.text}`);
  }

  #unique(): string {
    return `${this.#number}-${(written += 1)}-${this.#random.below(2 ** 31)}`;
  }

  /** Never the same twice. */
  #bytes(): Buffer {
    const text = `${this.#unique()} `;
    return Buffer.from(text.repeat(1 + this.#random.below(MOST_BYTES / text.length)));
  }
}

function described(bytes: Buffer): { mediaType: string; digest: string; size: number } {
  return { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length };
}

/** Waits for each, also when one has failed: what is entered in the book later would come as a surprise. */
async function allOf(works: readonly Promise<void>[]): Promise<void> {
  for (const work of await Promise.allSettled(works)) if (work.status === 'rejected') throw work.reason;
}
