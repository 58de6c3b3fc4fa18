import { build } from '../../scripts/build.js';

/** Tests that start `ambit` as a program start it from dist/: make that the build of the sources under test. */
// oxlint-disable-next-line import/no-default-export -- the form vitest asks of a global setup
export default function buildFirst(): void {
  build({ check: false });
}
