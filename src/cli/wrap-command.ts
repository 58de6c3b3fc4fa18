import {
  addLimitFlags,
  exactDuration,
  type LimitFlags,
  requireTools,
  storageFlag,
  type StorageFlags,
  termsOf,
} from './command-options.js';
import { CliError, exitCodes } from './exit-codes.js';
import { unwrapConfig, wrapConfig } from './mcp-config.js';
import { absoluteStorageUrl, locationOf, requireRemembering } from './open-store.js';
import { checkTerms } from '../tasks/task-input-rules.js';
import { Command } from 'commander';
import { isRefused } from '../core/refusals.js';
import { refusedError } from './run-session.js';
import { resolve } from 'node:path';

type WrapFlags = LimitFlags & StorageFlags & { readonly server?: readonly string[]; readonly log?: string };

/** `ambit wrap`: puts the leash on the servers of an `mcp.json`. */
export function wrapCommand(): Command {
  return addLimitFlags(
    new Command('wrap')
      .description('put the servers of an mcp.json on the leash')
      .argument('<file>', 'an mcp.json'),
  )
    .option('--renew', 'with --task: start anew if its time is over')
    .option(
      '--server <name>',
      'only this server; may be given several times',
      (name, before: string[] | undefined) => [...(before ?? []), name],
    )
    .option('--log <file>', 'append one JSON line for every decision')
    .addOption(storageFlag())
    .addHelpText(
      'after',
      "\nTools are checked as NAME/tool, NAME being the server's: --tools 'filesystem/read_*'.",
    )
    .action((file: string, flags: WrapFlags) => {
      requireTools(flags);
      if (flags.renew && flags.task === undefined)
        throw new CliError('--renew needs --task', exitCodes.usage);
      // Said now: a host that cannot start the servers of its file hides why.
      const terms = checkTerms({
        ...termsOf(flags, flags.agent ?? 'local', flags.intent ?? 'ambit run'),
        ...(flags.task !== undefined && { taskName: flags.task }),
      });
      if (isRefused(terms)) throw refusedError(terms);
      const { wrapped, left } = wrapConfig(file, flags.server, runFlags(flags));
      for (const name of wrapped) process.stdout.write(`${name}: on the leash\n`);
      for (const { name, why } of left) process.stdout.write(`${name}: left as it is, ${why}\n`);
    });
}

/** `ambit unwrap`: takes the leash off again. */
export function unwrapCommand(): Command {
  return new Command('unwrap')
    .description('take the leash off the servers of an mcp.json')
    .argument('<file>', 'an mcp.json that ambit wrap changed')
    .action((file: string) => {
      const { unwrapped, restored } = unwrapConfig(file);
      for (const name of unwrapped) process.stdout.write(`${name}: off the leash\n`);
      if (restored) process.stdout.write(`${file} is as it was before, byte for byte\n`);
      else process.stdout.write(`${file} was edited since; the edits were kept\n`);
    });
}

function runFlags(flags: WrapFlags): string[] {
  const given: string[] = [];
  const add = (flag: string, value: string | undefined): void => {
    if (value !== undefined) given.push(flag, value);
  };
  add('--tools', flags.tools?.join(','));
  add('--calls', flags.calls?.toString());
  add('--for', flags.for === undefined ? undefined : exactDuration(flags.for));
  add('--rate', flags.rate && `${flags.rate.calls}/${exactDuration(flags.rate.perMs)}`);
  add('--agent', flags.agent);
  add('--intent', flags.intent);
  add('--task', flags.task);
  if (flags.renew) given.push('--renew');
  // A host starts servers in a directory of its own choice.
  add('--log', flags.log === undefined ? undefined : resolve(flags.log));
  add('--storage', flags.storage === undefined ? undefined : storageToWrite(flags, flags.storage));
  return given;
}

function storageToWrite(flags: WrapFlags, url: string): string {
  requireRemembering(flags.task, url);
  const location = locationOf(url);
  if ('url' in location && /^[^/]*\/\/[^/]*:[^/]*@/.test(location.url)) {
    throw new CliError(
      '--storage holds a password, which would stand in the list of processes; leave it out, and put AMBIT_STORAGE into the "env" of the server instead',
      exitCodes.usage,
    );
  }
  return absoluteStorageUrl(url);
}
