import assert from 'node:assert/strict';
import { test } from 'node:test';
import { baseScore } from '../../core/cvss.ts';

test('base scores are those of the examples that FIRST publishes', () => {
  // https://www.first.org/cvss/v3.1/examples
  const examples: readonly (readonly [string, number])[] = [
    ['AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N', 6.1],
    ['AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N', 6.4],
    ['AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N', 3.1],
    ['AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H', 9.9],
    ['AV:L/AC:L/PR:H/UI:N/S:U/C:L/I:L/A:L', 4.2],
    ['AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H', 8.8],
    ['AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H', 7.8],
    ['AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N', 7.5],
    ['AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', 9.8],
    ['AV:N/AC:H/PR:N/UI:N/S:C/C:N/I:H/A:N', 6.8],
    ['AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', 6.8],
    ['AV:N/AC:L/PR:N/UI:N/S:C/C:N/I:L/A:N', 5.8],
    ['AV:A/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', 8.8],
    ['AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H', 10],
    ['AV:N/AC:L/PR:N/UI:N/S:C/C:N/I:N/A:N', 0],
  ];
  for (const [metrics, score] of examples)
    for (const version of ['3.0', '3.1'])
      assert.equal(baseScore(`CVSS:${version}/${metrics}`), score, metrics);
});

test('metrics may come in any order, and others after them change nothing', () => {
  assert.equal(baseScore('CVSS:3.1/A:H/I:H/C:H/S:U/UI:N/PR:N/AC:L/AV:N/E:U/RL:O'), 9.8);
});

test('what is no whole vector of version 3 has no score', () => {
  const right = 'AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H';
  for (const wrong of [
    '',
    right,
    `CVSS:2.0/${right}`,
    `CVSS:4.0/${right}`,
    'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H',
    `CVSS:3.1/${right}/A:H`,
    `CVSS:3.1/${right}/`,
    'CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'CVSS:3.1/AV:constructor/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'CVSS:3.1/AV:N:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
  ])
    assert.equal(baseScore(wrong), undefined, wrong);
});
