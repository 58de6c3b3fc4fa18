// Makes, changes and deletes sessions in a mirrored store until it is killed: node mirror-child.js URL

/** Not known to the type checker by its path, since dist/ is not there before the first build. */
const built = new URL('../../dist/index.js', import.meta.url).href;
/** @type {typeof import('ambit')} */
const { openAmbit } = await import(built);

const ambit = await openAmbit({ storage: process.argv[2] ?? '' });
const terms = { agentId: 'agent', declaredIntent: 'to be killed', authorizedTools: ['*'] };
process.stdout.write('ready\n');
for (let index = 0; ; index++) {
  const sessionId = `${process.pid}/${index}`;
  const created = await ambit.tasks.create({ ...terms, agentId: sessionId });
  if (created.ok) await ambit.tasks.use(created.session.sessionId, 'tool');
  await ambit.transcripts.create({ sessionId, agentId: 'agent' });
  if (index >= 20) await ambit.transcripts.delete(`${process.pid}/${index - 20}`);
  await new Promise((resolve) => setTimeout(resolve, 5));
}
