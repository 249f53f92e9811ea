import { Ledger, type PossibleStates } from './ledger.ts';

export type ReleaseState = 'missing' | 'listed' | 'yanked';

export interface Release {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the archive that was last sent, in hex. */
  digest: string;
}

export type Possible = PossibleStates<Release, ReleaseState>;

export class ReleaseLedger extends Ledger<Release, ReleaseState> {
  get releases(): readonly Release[] {
    return this.things;
  }
}
