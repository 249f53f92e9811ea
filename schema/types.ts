/* Generated from the *.schema.json files beside it by `npm run generate`. Do not edit. */
/**
 * One line of the public log: a fact that was accepted. The vocabulary is closed and the same for every ecosystem.
 */
export type RegistryEvent =
  | GenesisEvent
  | SettingsChangedEvent
  | PublishedEvent
  | YankedEvent
  | UnyankedEvent
  | DeprecatedEvent
  | UndeprecatedEvent
  | WithdrawnEvent
  | RefSetEvent
  | RefRemovedEvent
  | ClaimedEvent
  | OwnerAddedEvent
  | OwnerRemovedEvent
  | MemberSetEvent
  | MemberRemovedEvent
  | TransferOfferedEvent
  | TransferAcceptedEvent
  | TransferCancelledEvent
  | VisibilitySetEvent
  | StarredEvent
  | UnstarredEvent
  | AdvisoryFiledEvent
  | AdvisoryWithdrawnEvent
  | ExpiredEvent
  | SealedEvent
  | RevealedEvent;
/**
 * The first line of every log: which registry this is and the settings it starts with.
 */
export type GenesisEvent = Envelope & Genesis;
/**
 * An operator replaced the settings that shape what is published.
 */
export type SettingsChangedEvent = Envelope & SettingsChanged;
/**
 * A version exists from here on; its bytes never change and its number is never reused.
 */
export type PublishedEvent = Envelope & OfPackage & Published;
/**
 * Which ecosystem owns the name.
 */
export type EcosystemId = 'x07' | 'npm' | 'zig' | 'oci' | 'run' | 'ori';
/**
 * Algorithm and lower-case hex of a blob, computed by this registry.
 */
export type DigestText = string;
/**
 * A version is hidden from resolution; its bytes stay.
 */
export type YankedEvent = Envelope & OfPackage & Yanked;
/**
 * A yanked version is offered again.
 */
export type UnyankedEvent = Envelope & OfPackage & Unyanked;
/**
 * A version, or the whole package when no version is given, carries a warning.
 */
export type DeprecatedEvent = Envelope & OfPackage & Deprecated;
/**
 * The warning is gone.
 */
export type UndeprecatedEvent = Envelope & OfPackage & Undeprecated;
/**
 * The bytes of a version (or of every version) are gone; numbers stay burnt and a tombstone stays. Where versions are digests nothing is burnt: the version is forgotten, with the movable names that point at it.
 */
export type WithdrawnEvent = Envelope & OfPackage & Withdrawn;
/**
 * A movable name (dist-tag, OCI tag, commit package) points at a target.
 */
export type RefSetEvent = Envelope & OfPackage & RefSet;
/**
 * A movable name is gone.
 */
export type RefRemovedEvent = Envelope & OfPackage & RefRemoved;
/**
 * A package name or a namespace got its first owner.
 */
export type ClaimedEvent = Envelope & OfSubject & Claimed;
/**
 * An account may act for a package or namespace.
 */
export type OwnerAddedEvent = Envelope & OfSubject & OwnerAdded;
/**
 * An account may no longer act for a package or namespace.
 */
export type OwnerRemovedEvent = Envelope & OfSubject & OwnerRemoved;
/**
 * An account may read what is private in a package or namespace, or publish there as well, without owning it. What it might do as a member before is replaced.
 */
export type MemberSetEvent = Envelope & OfSubject & MemberSet;
/**
 * read: may see what is private; write: may also publish and move names, and nothing else that owners may.
 */
export type MemberAccess = 'read' | 'write';
/**
 * An account is no longer a member of a package or namespace.
 */
export type MemberRemovedEvent = Envelope & OfSubject & MemberRemoved;
/**
 * The owners offer the name to another account, which has to accept.
 */
export type TransferOfferedEvent = Envelope & OfSubject & TransferOffered;
/**
 * The offered account is now the only owner, and there are no members: who is let in is for the new owner to say.
 */
export type TransferAcceptedEvent = Envelope & OfSubject & TransferAccepted;
/**
 * The offer is void.
 */
export type TransferCancelledEvent = Envelope & OfSubject & TransferCancelled;
/**
 * From here on the package is public or private.
 */
export type VisibilitySetEvent = Envelope & OfPackage & VisibilitySet;
/**
 * Somebody marked the package as a favourite.
 */
export type StarredEvent = Envelope & OfPackage & Starred;
/**
 * Somebody took that back.
 */
export type UnstarredEvent = Envelope & OfPackage & Unstarred;
/**
 * A warning about one or more versions, kept for ever.
 */
export type AdvisoryFiledEvent = Envelope & OfPackage & AdvisoryFiled;
/**
 * An advisory no longer applies; the record stays.
 */
export type AdvisoryWithdrawnEvent = Envelope & OfPackage & AdvisoryWithdrawn;
/**
 * A ref or version that was only kept for a time is gone.
 */
export type ExpiredEvent = Envelope & OfPackage & Expired;
/**
 * Stands in the public log for one event of the private log.
 */
export type SealedEvent = Envelope & Sealed;
/**
 * Opens a sealed line: the event it stood for and the salt of its commitment.
 */
export type RevealedEvent = Envelope & Revealed;

/**
 * What every line carries.
 */
export interface Envelope {
  /**
   * Format of this line. Older formats are upcast on read.
   */
  v: 1;
  /**
   * Position in the log, counted from 0 without gaps.
   */
  seq: number;
  /**
   * Random, chosen by the writer, so that an append whose outcome is unknown can be recognised.
   */
  id: string;
  /**
   * When it was accepted, RFC 3339 in UTC with milliseconds. Never decreases along the log.
   */
  at: string;
  /**
   * Handle of the account that acted.
   */
  by: string;
}
export interface Genesis {
  /**
   * What happened.
   */
  kind: 'genesis';
  /**
   * Random identity of this registry, the same for ever.
   */
  registry: string;
  settings: Settings;
}
/**
 * Everything outside the packages that shapes the published bytes. Recorded in the log, changed only on purpose.
 */
export interface Settings {
  /**
   * Origin under which clients reach the registry, without a final slash.
   */
  publicUrl: string;
  /**
   * Surface id to the path it lives below; / is the root.
   */
  mounts: {
    /**
     * An absolute path without a final slash, or /.
     */
    [k: string]: string;
  };
  /**
   * Public halves of the keys that sign what is published. Old ones stay, so that old signatures can be checked.
   */
  keys?: RegistryKey[];
  /**
   * Settings of the X07 surface.
   */
  x07?: {
    /**
     * Prefixes that user interfaces badge as verified.
     *
     * Items: A name prefix.
     */
    verifiedNamespaces?: string[];
    /**
     * Handle whose packages are marked official.
     */
    officialOwner?: string;
  };
  /**
   * Settings of the npm surface.
   */
  npm?: {
    /**
     * What a new scoped package is when its publisher does not say. Absent: public.
     */
    defaultAccess?: 'public' | 'restricted';
    /**
     * How long after its publication an owner may remove a version; 0: always. Absent: 72.
     */
    unpublishHours?: number;
  };
  /**
   * Settings of the OCI surface.
   */
  oci?: {
    /**
     * What a new repository is. Absent: private, as in the server whose protocol of accounts this is.
     */
    defaultVisibility?: 'public' | 'private';
    /**
     * Which namespaces that nobody has a push may take: the one that is called like its account, or any. Absent: own.
     */
    namespaces?: 'own' | 'first-push';
    /**
     * What those may do who say nothing of who they are: pull what is public, or push as well, which is for networks whose every user is trusted. Absent: pull.
     */
    anonymous?: 'pull' | 'push';
  };
  /**
   * Settings of the Ori surface.
   */
  ori?: {
    /**
     * Whether versions such as 1.0.0-alpha can be published. Absent: allowed.
     */
    prereleases?: 'allowed' | 'refused';
  };
}
/**
 * One key.
 */
export interface RegistryKey {
  /**
   * What signatures call it.
   */
  id: string;
  /**
   * Whose packages it signs.
   */
  ecosystem: string;
  /**
   * Algorithm.
   */
  kind: 'ed25519' | 'ecdsa-sha2-nistp256';
  /**
   * The public key in base64; for ed25519 its 32 bytes (RFC 8032), else its SubjectPublicKeyInfo in DER.
   */
  publicKey: string;
  /**
   * It checks old signatures and makes no new ones.
   */
  retired?: boolean;
  /**
   * From when on it makes no signatures; RFC 3339, UTC. Absent where it was retired before this was recorded.
   */
  retiredAt?: string;
}
export interface SettingsChanged {
  /**
   * What happened.
   */
  kind: 'settings-changed';
  settings: Settings;
}
/**
 * The package a fact is about.
 */
export interface OfPackage {
  ecosystem: EcosystemId;
  /**
   * Name of the package, as published.
   */
  name: string;
  /**
   * Sequence number of the previous event of the same package or namespace; absent on its first.
   */
  prev?: number;
}
export interface Published {
  /**
   * What happened.
   */
  kind: 'published';
  /**
   * Version, exactly as published.
   */
  version: string;
  /**
   * The files of this version, stored as blobs before this event.
   *
   * @minItems 1
   * @maxItems 64
   */
  artifacts: Artifact[];
  /**
   * What the ecosystem's projections need from the manifest. Absent when it is large: see metaDigest.
   */
  meta?: {};
  metaDigest?: DigestText;
  /**
   * Signatures made once, at append: not all of them are deterministic.
   *
   * @maxItems 16
   */
  signatures?: Signature[];
  /**
   * What this version is found by apart from its name and number, such as a hash of its content.
   *
   * @minItems 1
   * @maxItems 8
   *
   * Items: Begins with what it is, such as hash:.
   */
  keys?: string[];
}
/**
 * One file of a release.
 */
export interface Artifact {
  /**
   * What the file is to its ecosystem, such as archive or manifest.
   */
  role: string;
  digest: DigestText;
  /**
   * Length in bytes.
   */
  size: number;
  /**
   * Media type it is served with.
   */
  mediaType: string;
}
/**
 * One signature over a statement that its ecosystem defines.
 */
export interface Signature {
  /**
   * Which of the registry keys made it.
   */
  keyId: string;
  /**
   * Algorithm, such as ed25519.
   */
  kind: string;
  /**
   * The signature in base64.
   */
  value: string;
}
export interface Yanked {
  /**
   * What happened.
   */
  kind: 'yanked';
  /**
   * Version, exactly as published.
   */
  version: string;
  /**
   * Why, in the words of the person who acted.
   */
  reason?: string;
}
export interface Unyanked {
  /**
   * What happened.
   */
  kind: 'unyanked';
  /**
   * Version, exactly as published.
   */
  version: string;
}
export interface Deprecated {
  /**
   * What happened.
   */
  kind: 'deprecated';
  /**
   * Version, exactly as published.
   */
  version?: string;
  /**
   * The warning shown to users.
   */
  message?: string;
  messageDigest?: DigestText;
}
export interface Undeprecated {
  /**
   * What happened.
   */
  kind: 'undeprecated';
  /**
   * Version, exactly as published.
   */
  version?: string;
}
export interface Withdrawn {
  /**
   * What happened.
   */
  kind: 'withdrawn';
  /**
   * Version, exactly as published.
   */
  version?: string;
  artifact?: DigestText;
  /**
   * Why, in the words of the person who acted.
   */
  reason?: string;
}
export interface RefSet {
  /**
   * What happened.
   */
  kind: 'ref-set';
  /**
   * The movable name.
   */
  ref: string;
  /**
   * A version of this package, or the digest of one of its artifacts or of one that comes with this event.
   */
  target: string;
  /**
   * Files that the name brings along, which belong to no version: a commit package.
   *
   * @minItems 1
   * @maxItems 64
   */
  artifacts?: Artifact[];
  /**
   * What the ecosystem's projections need to know of them.
   */
  meta?: {};
}
export interface RefRemoved {
  /**
   * What happened.
   */
  kind: 'ref-removed';
  /**
   * The movable name.
   */
  ref: string;
}
/**
 * The package or namespace a fact is about.
 */
export interface OfSubject {
  ecosystem: EcosystemId;
  /**
   * Name of the package, as published.
   */
  name: string;
  /**
   * Present when the name is a namespace and not a package.
   */
  of?: 'namespace';
  /**
   * Sequence number of the previous event of the same package or namespace; absent on its first.
   */
  prev?: number;
}
export interface Claimed {
  /**
   * What happened.
   */
  kind: 'claimed';
  /**
   * Handle of the first owner.
   */
  owner: string;
}
export interface OwnerAdded {
  /**
   * What happened.
   */
  kind: 'owner-added';
  /**
   * Handle of the new owner.
   */
  owner: string;
}
export interface OwnerRemoved {
  /**
   * What happened.
   */
  kind: 'owner-removed';
  /**
   * Handle of the former owner.
   */
  owner: string;
}
export interface MemberSet {
  /**
   * What happened.
   */
  kind: 'member-set';
  /**
   * Handle of the member.
   */
  member: string;
  access: MemberAccess;
}
export interface MemberRemoved {
  /**
   * What happened.
   */
  kind: 'member-removed';
  /**
   * Handle of the member.
   */
  member: string;
}
export interface TransferOffered {
  /**
   * What happened.
   */
  kind: 'transfer-offered';
  /**
   * Handle of the account it is offered to.
   */
  to: string;
  /**
   * After this moment it can no longer be accepted; RFC 3339, UTC.
   */
  expiresAt: string;
}
export interface TransferAccepted {
  /**
   * What happened.
   */
  kind: 'transfer-accepted';
}
export interface TransferCancelled {
  /**
   * What happened.
   */
  kind: 'transfer-cancelled';
}
export interface VisibilitySet {
  /**
   * What happened.
   */
  kind: 'visibility-set';
  /**
   * Who may see it.
   */
  visibility: 'public' | 'private';
}
export interface Starred {
  /**
   * What happened.
   */
  kind: 'starred';
}
export interface Unstarred {
  /**
   * What happened.
   */
  kind: 'unstarred';
}
export interface AdvisoryFiled {
  /**
   * What happened.
   */
  kind: 'advisory-filed';
  advisory: Advisory;
}
/**
 * A warning about versions of one package.
 */
export interface Advisory {
  /**
   * Identity, unique in its package.
   */
  id: string;
  /**
   * The exact versions it is about.
   *
   * @maxItems 512
   *
   * Items: A version.
   */
  versions?: string[];
  /**
   * Or a range in the ecosystem's own syntax.
   */
  range?: string;
  /**
   * What it warns of.
   */
  kind: 'broken' | 'security' | 'deprecated';
  /**
   * How bad it is.
   */
  severity: 'low' | 'medium' | 'high' | 'critical';
  /**
   * What other databases call it.
   *
   * @maxItems 16
   *
   * Items: An identity in another database, such as CVE-2026-00001.
   */
  aliases?: string[];
  /**
   * One sentence.
   */
  summary: string;
  /**
   * Where to read more.
   */
  url?: string;
  /**
   * More text, when short; longer text is a blob.
   */
  details?: string;
  detailsDigest?: DigestText;
  /**
   * Which kinds of weakness it is.
   *
   * @maxItems 16
   *
   * Items: A kind of weakness.
   */
  cwe?: string[];
  /**
   * How bad it is as a CVSS vector, version 3.
   */
  cvss?: string;
}
export interface AdvisoryWithdrawn {
  /**
   * What happened.
   */
  kind: 'advisory-withdrawn';
  /**
   * Identity of the advisory.
   */
  advisoryId: string;
}
export interface Expired {
  /**
   * What happened.
   */
  kind: 'expired';
  /**
   * Version, exactly as published.
   */
  version?: string;
  /**
   * The movable name that expired.
   */
  ref?: string;
}
export interface Sealed {
  /**
   * What happened.
   */
  kind: 'sealed';
  commitment: DigestText;
}
export interface Revealed {
  /**
   * What happened.
   */
  kind: 'revealed';
  /**
   * Sequence number of the sealed line.
   */
  sealedSeq: number;
  /**
   * Salt of the commitment, hex.
   */
  salt: string;
  /**
   * The event as the private log holds it.
   */
  event: {};
}

/**
 * One line of the private log: accounts, their passwords, second factors and tokens, and what happened to private packages. It never leaves the server.
 */
export type PrivateEvent =
  | AccountCreatedEvent
  | TokenCreatedEvent
  | TokenRevokedEvent
  | ProfileSetEvent
  | PasswordSetEvent
  | SecondFactorSetEvent
  | SecondFactorRemovedEvent
  | RecoveryCodeUsedEvent
  | InvitationCreatedEvent
  | InvitationUsedEvent
  | PackageEvent;
/**
 * A person or a machine that may hold tokens.
 */
export type AccountCreatedEvent = PrivateEnvelope & AccountCreated;
/**
 * An account may act with a new token.
 */
export type TokenCreatedEvent = PrivateEnvelope & TokenCreated;
/**
 * One permission. admin is the operator: it skips ownership.
 */
export type Scope = 'read' | 'publish' | 'yank' | 'owner' | 'tokens' | 'admin';
/**
 * A token no longer allows anything.
 */
export type TokenRevokedEvent = PrivateEnvelope & TokenRevoked;
/**
 * What an account says of itself. Replaces what it said before.
 */
export type ProfileSetEvent = PrivateEnvelope & ProfileSet;
/**
 * An account may act with a password; one from before is no longer good.
 */
export type PasswordSetEvent = PrivateEnvelope & PasswordSet;
/**
 * An account has to give codes. Replaces a second factor from before, recovery codes included.
 */
export type SecondFactorSetEvent = PrivateEnvelope & SecondFactorSet;
/**
 * An account gives no codes any more.
 */
export type SecondFactorRemovedEvent = PrivateEnvelope & SecondFactorRemoved;
/**
 * A recovery code stood in for a code, and is good no more.
 */
export type RecoveryCodeUsedEvent = PrivateEnvelope & RecoveryCodeUsed;
/**
 * Whoever has the invitation may make one account.
 */
export type InvitationCreatedEvent = PrivateEnvelope & InvitationCreated;
/**
 * An invitation made its account, and is good no more.
 */
export type InvitationUsedEvent = PrivateEnvelope & InvitationUsed;
/**
 * Opens a sealed line of the public log. Counts only where that line is there and is committed to it: it is written first.
 */
export type PackageEvent = PrivateEnvelope & PackageEvent1;

/**
 * What every line carries.
 */
export interface PrivateEnvelope {
  /**
   * Format of this line. Older formats are upcast on read.
   */
  v: 1;
  /**
   * Position in the log, counted from 0 without gaps.
   */
  seq: number;
  /**
   * Random, chosen by the writer, so that an append whose outcome is unknown can be recognised.
   */
  id: string;
  /**
   * When it was accepted, RFC 3339 in UTC with milliseconds. Never decreases along the log.
   */
  at: string;
  /**
   * Handle of the account that acted.
   */
  by: string;
}
export interface AccountCreated {
  /**
   * What happened.
   */
  kind: 'account-created';
  /**
   * Its public name.
   */
  handle: string;
}
export interface TokenCreated {
  /**
   * What happened.
   */
  kind: 'token-created';
  /**
   * The account it acts for.
   */
  handle: string;
  /**
   * Public identity of the token, a UUID.
   */
  tokenId: string;
  /**
   * SHA-256 of the token, hex. The token itself is never stored.
   */
  digest: string;
  /**
   * The holder's own name for it.
   */
  label: string;
  /**
   * What it allows.
   */
  scopes: Scope[];
  /**
   * When present, it allows that only here.
   */
  limits?: TokenLimit[];
  /**
   * When it ends; RFC 3339, UTC. Absent: never.
   */
  expiresAt?: string;
  /**
   * When present, it is good only from these networks, in CIDR notation.
   */
  addresses?: string[];
  /**
   * Whether it needs no code where its account has a second factor: for machines.
   */
  bypassSecondFactor?: boolean;
}
/**
 * A place where a token is valid.
 */
export interface TokenLimit {
  /**
   * Ecosystem id.
   */
  ecosystem: string;
  /**
   * Namespace or package name within it; absent: all of it.
   */
  namespace?: string;
}
export interface TokenRevoked {
  /**
   * What happened.
   */
  kind: 'token-revoked';
  /**
   * Public identity of the token.
   */
  tokenId: string;
}
export interface ProfileSet {
  /**
   * What happened.
   */
  kind: 'profile-set';
  /**
   * The account.
   */
  handle: string;
  /**
   * Its e-mail address, which nobody has checked. Absent: none.
   */
  email?: string;
  /**
   * Its name as people write it. Absent: none.
   */
  fullName?: string;
}
export interface PasswordSet {
  /**
   * What happened.
   */
  kind: 'password-set';
  /**
   * The account.
   */
  handle: string;
  /**
   * 16 random bytes, hex.
   */
  salt: string;
  /**
   * 32 bytes of scrypt, hex. The password itself is never stored.
   */
  hash: string;
  /**
   * N of scrypt.
   */
  cost: number;
  /**
   * r of scrypt.
   */
  blockSize: number;
  /**
   * p of scrypt.
   */
  parallelization: number;
}
export interface SecondFactorSet {
  /**
   * What happened.
   */
  kind: 'second-factor-set';
  /**
   * The account.
   */
  handle: string;
  /**
   * Whether writes need a code as well, or only logging in and changing the account.
   */
  mode: 'auth-only' | 'auth-and-writes';
  /**
   * What its codes are made of (RFC 6238), base32.
   */
  secret: string;
  /**
   * SHA-256 of each recovery code that is left, hex.
   */
  recovery: string[];
}
export interface SecondFactorRemoved {
  /**
   * What happened.
   */
  kind: 'second-factor-removed';
  /**
   * The account.
   */
  handle: string;
}
export interface RecoveryCodeUsed {
  /**
   * What happened.
   */
  kind: 'recovery-code-used';
  /**
   * The account.
   */
  handle: string;
  /**
   * SHA-256 of the code, hex.
   */
  digest: string;
}
export interface InvitationCreated {
  /**
   * What happened.
   */
  kind: 'invitation-created';
  /**
   * SHA-256 of the invitation, hex. The invitation itself is never stored.
   */
  digest: string;
  /**
   * The only account it makes. Absent: any that is free.
   */
  handle?: string;
  /**
   * When it ends; RFC 3339, UTC. Absent: never.
   */
  expiresAt?: string;
}
export interface InvitationUsed {
  /**
   * What happened.
   */
  kind: 'invitation-used';
  /**
   * SHA-256 of the invitation, hex.
   */
  digest: string;
  /**
   * The account.
   */
  handle: string;
}
export interface PackageEvent1 {
  /**
   * What happened.
   */
  kind: 'package-event';
  /**
   * Sequence number of the sealed line in the public log.
   */
  sealedSeq: number;
  /**
   * Salt of the commitment, hex.
   */
  salt: string;
  /**
   * The event that the sealed line stands for.
   */
  event: {};
}
