/**
 * Runs the same work several times side by side. Waits for every lane also when one has failed: what a lane starts
 * after its test has ended would never be tidied away.
 */
export async function inLanes(count: number, work: (lane: number) => Promise<void>): Promise<void> {
  const lanes = await Promise.allSettled(Array.from({ length: count }, (_, lane) => work(lane)));
  for (const lane of lanes) if (lane.status === 'rejected') throw lane.reason;
}
