/** Base score of a CVSS 3.x vector: https://www.first.org/cvss/v3.1/specification-document, sections 7.1 and 7.4. */

const weights = {
  AV: { N: 0.85, A: 0.62, L: 0.55, P: 0.2 },
  AC: { L: 0.77, H: 0.44 },
  PR: { N: 0.85, L: 0.62, H: 0.27 },
  UI: { N: 0.85, R: 0.62 },
  S: { U: 0, C: 1 },
  C: { H: 0.56, L: 0.22, N: 0 },
  I: { H: 0.56, L: 0.22, N: 0 },
  A: { H: 0.56, L: 0.22, N: 0 },
} as const satisfies Record<string, Record<string, number>>;
type Metric = keyof typeof weights;

/** More is asked of whoever has to be somebody, unless what they break is another's. */
const privilegesWhenChanged: Readonly<Record<string, number>> = { N: 0.85, L: 0.68, H: 0.5 };

/** From 0 to 10 with one decimal; undefined for what is not a vector with all of the base metrics, each once. */
export function baseScore(vector: string): number | undefined {
  const values = metricsIn(vector);
  if (!values) return undefined;
  const weight = (metric: Metric): number =>
    (weights[metric] as Readonly<Record<string, number>>)[values.get(metric) ?? ''] ?? NaN;
  const isChanged = values.get('S') === 'C';
  const privileges = isChanged ? (privilegesWhenChanged[values.get('PR') ?? ''] ?? NaN) : weight('PR');
  const lost = 1 - (1 - weight('C')) * (1 - weight('I')) * (1 - weight('A'));
  const impact = isChanged ? 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15 : 6.42 * lost;
  const exploitability = 8.22 * weight('AV') * weight('AC') * privileges * weight('UI');
  if (Number.isNaN(impact + exploitability)) return undefined;
  if (impact <= 0) return 0;
  return roundUp(Math.min((impact + exploitability) * (isChanged ? 1.08 : 1), 10));
}

/** Temporal and environmental metrics may follow: they change other scores. */
function metricsIn(vector: string): ReadonlyMap<string, string> | undefined {
  const [version = '', ...parts] = vector.split('/');
  if (!/^CVSS:3\.[01]$/.test(version)) return undefined;
  const values = new Map<string, string>();
  for (const part of parts) {
    const [metric = '', value, ...rest] = part.split(':');
    if (value === undefined || rest.length > 0 || values.has(metric)) return undefined;
    values.set(metric, value);
  }
  return Object.entries(weights).every(([metric, known]) => Object.hasOwn(known, values.get(metric) ?? ''))
    ? values
    : undefined;
}

/** Appendix A: in whole numbers, because 4.02 as a float may be a little more. */
function roundUp(score: number): number {
  const whole = Math.round(score * 100_000);
  return whole % 10_000 === 0 ? whole / 100_000 : (Math.floor(whole / 10_000) + 1) / 10;
}
