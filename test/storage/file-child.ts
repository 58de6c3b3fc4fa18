/**
 * A process of its own, started by a test: `file-child.ts PATH [once]`. It opens the store, says so, and stays until it is
 * killed; with `once` it closes the store and ends.
 */
import { fileStorage } from 'ambit/file';

const [path = '', once] = process.argv.slice(2);
const storage = await fileStorage({ path });
process.stdout.write('open\n');
if (once === undefined) setInterval(() => {}, 1_000);
else await storage.close();
