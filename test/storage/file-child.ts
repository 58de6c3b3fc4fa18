/** A process of its own, started by a test: `file-child.ts PATH`. It opens the store, says so, and stays until it is killed. */
import { fileStorage } from 'ambit/file';

const [path = ''] = process.argv.slice(2);
await fileStorage({ path });
process.stdout.write('open\n');
setInterval(() => {}, 1_000);
