/** What is signed, held against the contract's vectors (section 14) with a signature that was made elsewhere. */
import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import { test } from 'node:test';
import { signedText as signedByUs } from '../../ecosystems/x07/signing.ts';
import { faultOf, publicKeyFrom } from '../support/x07-signature.ts';

/** From upstream's example index; the key and the signature are upstream's own. */
const upstream = {
  name: 'integrity-demo',
  version: '0.1.0',
  cksum: '6e9d09575894ac86dbb79b187ceba38a4a0bacce113120dce6037c4ca92ec022',
  publicKey: 'vQ5ZtKd7FokFBVvDEEtjF2aJgEKsi8i1Ce0G4Rc/oss=',
  signature: 'z6DCFuK7DvTqeG1e85dzQGPcAUvVNneqLX5xKXKhlVHtsV3JGsZxsfbXQ6cbgV54pIh08JXTj2masKH0dgyACQ==',
};
const ofTheSeed = {
  name: 'vec-demo',
  version: '1.0.0',
  cksum: '4906a6935a9a1728475b2bc3d2f8b84f1d213c83c4305068fced5aca43e355c5',
  publicKey: 'ebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ=',
  signature: '2isygus9k2nXL4EQ9B1IK7oMBc5CjYVI08aSJcPfoAd4Cuk62q4CCkop13+boXBGcLlG8U8hEJ7V1ptqIHwwDw==',
};

test('both vectors verify over the bytes that we sign', () => {
  for (const { name, version, cksum, publicKey, signature } of [upstream, ofTheSeed]) {
    const text = Buffer.from(signedByUs(name, version, cksum));
    const key = publicKeyFrom(Buffer.from(publicKey, 'base64'));
    assert.ok(verify(null, text, key, Buffer.from(signature, 'base64')), name);
  }
});

test('the check of these tests finds what `x07 pkg verify` finds', () => {
  const { name, version, cksum, publicKey, signature: ed25519_sig } = ofTheSeed;
  const line = {
    name,
    version,
    cksum,
    signature: { kind: 'ed25519', key_id: 'k1', ed25519_sig },
  };
  const signing = { kind: 'ed25519', public_keys: [{ id: 'k1', ed25519_pub: publicKey }] };
  const signed = (over: object) => ({ ...line, signature: { ...line.signature, ...over } });
  const rows = [
    [line, { signing }, undefined],
    [{ name, version, cksum }, { signing }, 'X07PKG_UNSIGNED'],
    [line, {}, 'X07PKG_UNSIGNED'],
    [signed({ kind: 'rsa' }), { signing }, 'X07PKG_SIGNATURE_UNSUPPORTED'],
    [line, { signing: { ...signing, kind: 'rsa' } }, 'X07PKG_SIGNATURE_UNSUPPORTED'],
    [signed({ key_id: 'k2' }), { signing }, 'X07PKG_SIGNATURE_KEY_MISSING'],
    [{ ...line, version: '1.0.1' }, { signing }, 'X07PKG_SIGNATURE_INVALID'],
    [{ ...line, cksum: cksum.replace('4', '5') }, { signing }, 'X07PKG_SIGNATURE_INVALID'],
    [signed({ ed25519_sig: upstream.signature }), { signing }, 'X07PKG_SIGNATURE_INVALID'],
    [signed({ ed25519_sig: ed25519_sig.slice(4) }), { signing }, 'X07PKG_SIGNATURE_INVALID'],
    [signed({ ed25519_sig: `${ed25519_sig}!` }), { signing }, 'X07PKG_SIGNATURE_INVALID'],
  ] as const;
  for (const [of, config, fault] of rows) assert.equal(faultOf(of, config), fault, JSON.stringify(of));
});
