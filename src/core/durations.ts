import { dayMs, hourMs, minuteMs, secondMs } from './time.js';

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: secondMs, m: minuteMs, h: hourMs, d: dayMs };

/**
 * Reads a duration as people write it: a number and one of the units `ms`, `s`, `m`, `h`, `d`, such as `30m` or `1.5h`.
 *
 * @returns whole milliseconds, or undefined for anything else
 */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const durationMs = Number(digits) * (unitsMs[unit] ?? Number.NaN);
  return Number.isFinite(durationMs) ? Math.round(durationMs) : undefined;
}

/** Writes a duration as people read it: its two largest units, such as `1h 30m`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < secondMs) return `${Math.max(0, Math.round(durationMs))}ms`;
  let restMs = Math.round(durationMs / secondMs) * secondMs;
  const parts: string[] = [];
  for (const unit of ['d', 'h', 'm', 's']) {
    const sizeMs = unitsMs[unit] ?? 1;
    const count = Math.floor(restMs / sizeMs);
    restMs -= count * sizeMs;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}
