/** What clients of containers were told of the things they have written, and may rely on. */
import { Ledger, type PossibleStates } from './ledger.ts';

/** `tag NAME:TAG`, `manifest NAME@DIGEST`, `blob NAME@DIGEST`, `visibility NAME`, `upload NAME/ID` */
export type OciThing = string;
/** `there`; of a tag its digest, of a repository who sees it, of an upload how many bytes it has. Over is missing, too. */
export type OciState = string;
export type OciFacts = PossibleStates<OciThing, OciState>;

export interface Image {
  readonly name: string;
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
  /** One that no other manifest names. */
  readonly layer: string | undefined;
  /** Whose it is: writes about it come one after the other. */
  readonly client: number;
  /** An index lists it, and so it stays. */
  isListed: boolean;
}

/** Of which a part may be there. */
export interface Conversation {
  readonly name: string;
  readonly id: string;
  readonly bytes: Buffer;
  readonly digest: string;
  readonly client: number;
}

export class OciBook {
  readonly ledger = new Ledger<OciThing, OciState>();
  readonly images: Image[] = [];
  readonly conversations = new Set<Conversation>();

  /** The one state that a thing is in; undefined while that is open. */
  stateOf(thing: OciThing): OciState | undefined {
    const [state, another] = this.ledger.statesOf(thing);
    return another === undefined ? state : undefined;
  }

  /** Of everything that is in one state. */
  get states(): ReadonlyMap<OciThing, OciState> {
    return new Map(this.ledger.things.map((about) => [about, this.stateOf(about) ?? '']));
  }

  /** After somebody has looked: an upload that is over cannot be gone on with. */
  forgetFinished(): void {
    for (const one of this.conversations)
      if (this.stateOf(thing.upload(one.name, one.id)) === 'missing') this.conversations.delete(one);
  }

  isThere(kind: 'manifest' | 'blob', name: string, digest: string): boolean {
    return this.stateOf(thing[kind](name, digest)) === 'there';
  }
}

export const thing = {
  tag: (name: string, tag: string): OciThing => `tag ${name}:${tag}`,
  manifest: (name: string, digest: string): OciThing => `manifest ${name}@${digest}`,
  blob: (name: string, digest: string): OciThing => `blob ${name}@${digest}`,
  visibility: (name: string): OciThing => `visibility ${name}`,
  upload: (name: string, id: string): OciThing => `upload ${name}/${id}`,
} as const;
