/** Figures for Prometheus. None has a label whose values a client could choose. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What is looked up when somebody asks. */
export interface Gauges {
  /** Requests that wait for the next append. */
  readonly queueDepth: () => number;
  readonly logEvents: () => number;
  readonly siteEvents: () => number;
  /** Seconds since the oldest event that the site does not show; 0 when it shows all. */
  readonly siteAgeSeconds: () => number;
}

export interface Metrics {
  request(request: { surface: string; method: string; status: number; seconds: number; code?: string }): void;
  /** One durable append. */
  batch(batch: { requests: number; events: number; seconds: number }): void;
  /** From durable to visible. */
  visible(seconds: number): void;
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const batchSizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

export function createMetrics(gauges: Gauges, version: string): Metrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  };
  gauge('cairn_append_queue_depth', 'Write requests that wait for the next append.', gauges.queueDepth);
  gauge('cairn_log_events', 'Events in the log.', gauges.logEvents);
  gauge('cairn_site_events', 'Events that the site stands for.', gauges.siteEvents);
  gauge(
    'cairn_site_age_seconds',
    'Age of the oldest event that is not on the site yet; 0 when all are.',
    gauges.siteAgeSeconds,
  );
  new Gauge({ name: 'cairn_build_info', help: 'Always 1.', labelNames: ['version'], registers }).set(
    { version },
    1,
  );
  const batches = new Histogram({
    name: 'cairn_append_batch_events',
    help: 'Events per durable append.',
    buckets: batchSizes,
    registers,
  });
  const appends = new Histogram({
    name: 'cairn_append_seconds',
    help: 'Duration of an append: deciding, blobs and commit, until it is durable.',
    buckets: seconds,
    registers,
  });
  const lag = new Histogram({
    name: 'cairn_publish_lag_seconds',
    help: 'From durable in the log to visible on the site, per write.',
    buckets: seconds,
    registers,
  });
  const writes = new Histogram({
    name: 'cairn_http_write_seconds',
    help: 'Duration of requests that are not reads.',
    labelNames: ['surface'],
    buckets: seconds,
    registers,
  });
  const refusals = new Counter({
    name: 'cairn_refusals_total',
    help: 'Requests refused, by what was wrong.',
    labelNames: ['surface', 'code'],
    registers,
  });
  // Reads are many: they are counted in a plain map, which becomes a metric when it is asked for.
  const counted = new Map<string, number>();
  new Counter({
    name: 'cairn_http_requests_total',
    help: 'Requests answered.',
    labelNames: ['surface', 'method', 'status'],
    registers,
    collect() {
      this.reset();
      for (const [key, count] of counted) {
        const [surface = '', method = '', status = ''] = key.split(' ');
        this.inc({ surface, method, status }, count);
      }
    },
  });
  return {
    request({ surface, method, status, seconds, code }) {
      const key = `${surface} ${knownMethods.has(method) ? method : 'other'} ${status}`;
      counted.set(key, (counted.get(key) ?? 0) + 1);
      if (method !== 'GET' && method !== 'HEAD') writes.observe({ surface }, seconds);
      if (code !== undefined) refusals.inc({ surface, code });
    },
    batch({ events, seconds }) {
      batches.observe(events);
      appends.observe(seconds);
    },
    visible: (seconds) => lag.observe(seconds),
    render: async () => ({ contentType: register.contentType, text: await register.metrics() }),
  };
}

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
