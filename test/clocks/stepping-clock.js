/**
 * To be imported before anything else (`node --import`): puts a clock under `Date` that is not to be relied on.
 * `AMBIT_CLOCK_FILE` names a file of eight bytes, how many milliseconds the clock of this machine is off (a test writes
 * it, all processes read it); with `AMBIT_CLOCK_WANDERS` this process's clock is off by up to so many milliseconds, each
 * few milliseconds by another amount.
 */
import { openSync, readSync } from 'node:fs';

const RealDate = Date;
const file = process.env['AMBIT_CLOCK_FILE'];
const wandersMs = Number(process.env['AMBIT_CLOCK_WANDERS'] ?? 0);

/** @returns {() => number} */
function offsetOfFile() {
  const fd = openSync(file ?? '', 'r');
  const bytes = new Float64Array(1);
  return () => {
    readSync(fd, bytes, 0, 8, 0);
    return bytes[0] ?? 0;
  };
}

/** @returns {() => number} */
function wanderingOffset() {
  let [offsetMs, untilMs] = [0, 0];
  return () => {
    if (RealDate.now() >= untilMs) {
      offsetMs = Math.round((2 * Math.random() - 1) * wandersMs);
      untilMs = RealDate.now() + Math.random() * 40;
    }
    return offsetMs;
  };
}

const offset = file === undefined ? wanderingOffset() : offsetOfFile();

const now = () => RealDate.now() + offset();

class SteppingDate extends RealDate {
  /** @param {[]} given */
  constructor(...given) {
    super(...(given.length === 0 ? /** @type {[]} */ (/** @type {unknown} */ ([now()])) : given));
  }
}
SteppingDate.now = now;
globalThis.Date = /** @type {DateConstructor} */ (SteppingDate);
