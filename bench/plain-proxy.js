/** What a proxy costs that passes lines on and does nothing else: parses each, as any proxy must that looks at a method. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const [command = '', ...args] = process.argv.slice(2);
const server = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
createInterface({ input: process.stdin }).on('line', (line) => {
  JSON.parse(line);
  server.stdin.write(`${line}\n`);
});
createInterface({ input: server.stdout }).on('line', (line) => {
  JSON.parse(line);
  process.stdout.write(`${line}\n`);
});
process.stdin.on('end', () => server.stdin.end());
process.on('SIGTERM', () => {
  server.kill();
  process.exit(0);
});
