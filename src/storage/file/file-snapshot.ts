import { type Disk, type DiskFile } from './file-disk.js';
import { encodeHeader, newHeader } from './file-header.js';
import { endFrame, FrameMaker, type FrameKind, recordsFrame, sectorBytes } from './file-frames.js';
import { finish, pathOf, unfinishedPathOf } from './file-names.js';
import type { FileRecords } from './file-records.js';
import type { JournalName } from './file-journal.js';
import type { Key } from '../storage.js';
import { recordEntry } from './file-entries.js';

/** Characters in a frame, about: they are made in one go, and groups wait for that. */
const frameCharsMin = 128 * 1_024;

/** Records looked at in one go. */
const pageRecords = 256;

export interface WrittenSnapshot {
  readonly records: number;
  readonly bytes: number;
}

/**
 * Writes all records into a snapshot while groups go on changing them. A record is taken at some moment between the
 * beginning of this and its end; whatever changed meanwhile is in the journal of the same number, whose entries say what
 * a record is and not how it changed, so that reading both gives what there was.
 *
 * @param settled the last group that may be in the snapshot, durable in its journal: asked for once all records are read
 * @param abandoned asked between pages; once it is true, the snapshot is given up
 * @returns undefined if it was given up
 */
export async function writeSnapshot(
  disk: Disk,
  directory: string,
  name: JournalName,
  records: FileRecords,
  settled: () => Promise<number>,
  abandoned: () => boolean,
): Promise<WrittenSnapshot | undefined> {
  const path = pathOf(directory, 'snapshot', name.number);
  const unfinished = unfinishedPathOf(path);
  const file = await disk.create(unfinished);
  try {
    const written = await writeRecords(file, name, records, settled, abandoned);
    if (written === undefined) {
      await disk.remove(unfinished);
      return undefined;
    }
    await file.flushAll();
    if (abandoned()) {
      await disk.remove(unfinished);
      return undefined;
    }
    await finish(disk, directory, path);
    return written;
  } catch (error) {
    await disk.remove(unfinished).catch(() => undefined);
    throw error;
  } finally {
    await file.close().catch(() => undefined);
  }
}

async function writeRecords(
  file: DiskFile,
  name: JournalName,
  records: FileRecords,
  settled: () => Promise<number>,
  abandoned: () => boolean,
): Promise<WrittenSnapshot | undefined> {
  const header = newHeader({ kind: 'snapshot', ...name });
  const frames = new FrameMaker(header.salt);
  let position = sectorBytes;
  let sequence = 0;
  let count = 0;

  async function add(text: string, kind: FrameKind, durableSequence: number): Promise<void> {
    const frame = frames.make(text, { kind, sequence: ++sequence, durableSequence });
    await file.write(frame, position);
    position += frame.length;
  }

  await file.write(encodeHeader(header), 0);
  let text = '';
  let after: Key | undefined;
  for (;;) {
    if (abandoned()) return undefined;
    const page = records.after(after, pageRecords);
    for (const slot of page) {
      text += recordEntry(slot.key, slot.version, slot.expiresAtMs, slot.text);
      count++;
      if (text.length < frameCharsMin) continue;
      // The rest of the page may be of later than this write: a record is whole all the same, and the journal has the change.
      await add(text, recordsFrame, 0);
      text = '';
    }
    if (page.length < pageRecords) break;
    after = page.at(-1)?.key;
  }
  if (text !== '') await add(text, recordsFrame, 0);
  await add(String(count), endFrame, await settled());
  return { records: count, bytes: position };
}
