import type {
  CheckpointRecord,
  CheckpointTextsRecord,
  NamespaceRecord,
  ThreadRecord,
  ValueRecord,
  WriteRecord,
} from './checkpoint-records.js';
import { problemOf, type Shape } from './record-shapes.js';

const isText = (value: unknown): value is string => typeof value === 'string';
const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isVersion = (value: unknown): boolean => isText(value) || typeof value === 'number';

const checkpointShape: Shape = {
  checkpointId: isText,
  parentId: (value) => value === null || isText(value),
  values: (value) =>
    Array.isArray(value) &&
    value.every(
      (one: unknown) => Array.isArray(one) && isText(one[0]) && isVersion(one[1]) && isText(one[2]),
    ),
  ancestorsNeeded: Number.isSafeInteger,
  partOf: (value) =>
    value === undefined ||
    (Array.isArray(value) &&
      value.every((one: unknown) => isFields(one) && isText(one.namespace) && isText(one.checkpointId))),
};

const is =
  <T>(shape: Shape) =>
  (record: unknown): record is T =>
    problemOf(record, shape) === undefined;

// What is read is looked at: a record that was damaged must not be taken for another one.
export const isCheckpointRecord: (record: unknown) => record is CheckpointRecord = is(checkpointShape);
export const isNamespaceRecord: (record: unknown) => record is NamespaceRecord = is({ namespace: isText });
export const isThreadRecord: (record: unknown) => record is ThreadRecord = is({
  threadId: isText,
  incarnation: isText,
});
export const isWriteRecord: (record: unknown) => record is WriteRecord = is({
  taskId: isText,
  index: Number.isSafeInteger,
  channel: isText,
});
export const isValueRecord: (record: unknown) => record is ValueRecord = is({ type: isText });
export const isTextsRecord: (record: unknown) => record is CheckpointTextsRecord = is({
  checkpoint: isFields,
  metadata: isFields,
});
