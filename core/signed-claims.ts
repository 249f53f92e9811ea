/** JSON Web Tokens (RFC 7519), signed with Ed25519 (RFC 8037): claims in, a text out, and back. */
import { errors, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import type { AccessKey } from './ports.ts';
import { CLOCK_SKEW_SECONDS, LONGEST_LIFETIME_SECONDS } from './rotating-keys.ts';

const ALGORITHM = 'EdDSA';
const TYPE = 'JWT';
const always = ['sub', 'exp', 'nbf', 'iat', 'jti'];

export interface Expected {
  readonly issuer: string;
  readonly audience: string;
  readonly nowMs: number;
  readonly keys: readonly AccessKey[];
}

export interface SignedClaims {
  readonly claims: JWTPayload;
  /** What they were signed with. */
  readonly key: AccessKey;
}

/** Whether a text can be one of ours at all. Tokens that the registry keeps look different. */
export function looksSigned(token: string): boolean {
  return /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/.test(token);
}

export function signClaims(claims: JWTPayload, { id, privateKey }: AccessKey): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: ALGORITHM, kid: id, typ: TYPE }).sign(privateKey);
}

/**
 * `expired` is said of what was good once, and of nothing else.
 *
 * The skew is allowed at both ends. Some clients use a token up to its last second, and give up when it ends on its way.
 */
export async function readClaims(
  token: string,
  { issuer, audience, nowMs, keys }: Expected,
): Promise<SignedClaims | 'expired' | 'invalid'> {
  if (!looksSigned(token)) return 'invalid';
  let key: AccessKey | undefined;
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid }) => {
        key = keys.find(({ id }) => id === kid);
        if (!key) throw new errors.JWKSNoMatchingKey();
        return key.publicKey;
      },
      {
        // Whoever sends a token chooses its header: `none`, or a public key as if it were a shared secret.
        algorithms: [ALGORITHM],
        typ: TYPE,
        issuer,
        audience,
        requiredClaims: always,
        // Keys are kept for just as long.
        maxTokenAge: LONGEST_LIFETIME_SECONDS,
        clockTolerance: CLOCK_SKEW_SECONDS,
        currentDate: new Date(nowMs),
      },
    );
    return key ? { claims: payload, key } : 'invalid';
  } catch (error) {
    if (error instanceof errors.JWTExpired) return 'expired';
    if (error instanceof errors.JOSEError) return 'invalid';
    throw error;
  }
}

/** For whoever verifies elsewhere (RFC 7517). */
export function publicJwk({ id, publicKey }: AccessKey): Readonly<Record<string, unknown>> {
  return { ...publicKey.export({ format: 'jwk' }), kid: id, alg: ALGORITHM, use: 'sig' };
}
