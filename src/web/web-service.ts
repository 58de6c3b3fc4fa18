import { checkBeside, checkId, checkUser } from './web-input-rules.js';
import {
  type Creation,
  decideAddFlash,
  decideCreate,
  decideDestroy,
  decideLoad,
  decideRegenerate,
  decideSave,
  decideTakeFlashes,
  type Found,
  type Saving,
} from './session-rules.js';
import { hashOf, newEpoch, newSessionId } from './session-ids.js';
import { makeWebKeys, type WebKeys } from './web-records.js';
import type { Body, Engine } from '../engine/engine.js';
import type { Flash, WebSettings } from './web-types.js';
import { decideEndAll } from './user-rules.js';
import type { Key } from '../core/keys.js';
import { notFound } from './web-refusals.js';
import type { Refused } from '../core/refusals.js';

/** Sessions by id, as records: what the public face and the middlewares of servers stand on. */
export interface WebService {
  readonly engine: Engine;
  readonly keys: WebKeys;
  readonly settings: Required<WebSettings>;
  create(id: string, creation: NewRecord): Promise<Found | Refused>;
  /** Answers no record for what is gone. */
  load(id: string, touch: boolean): Promise<Found | NotThere | Refused>;
  save(id: string, saving: Brought): Promise<Found | Refused>;
  regenerate(id: string, saving: Brought): Promise<(Found & { readonly id: string }) | Refused>;
  addFlash(id: string, flash: Flash): Promise<{ readonly ok: true; readonly added: boolean } | Refused>;
  takeFlashes(id: string): Promise<{ readonly ok: true; readonly flashes: readonly Flash[] } | Refused>;
  destroy(id: string): Promise<Destroyed | Refused>;
  destroyHashed(idHash: string, userId: string): Promise<Destroyed | Refused>;
  endAll(userId: string, except: string | undefined): Promise<{ readonly ok: true } | Refused>;
}

interface NotThere {
  readonly ok: true;
  readonly record: undefined;
}

interface Destroyed {
  readonly ok: true;
  readonly destroyed: boolean;
}

/** A creation, where what the settings say need not be said. */
export type NewRecord = Pick<Creation, 'data' | 'user' | 'beside' | 'id'> & { readonly idleMs?: number };

/** A save, where what the settings say need not be said. */
export type Brought = Omit<Saving, 'conflict' | 'dataBytesMax' | 'touchAfterPart'> &
  Partial<Pick<Saving, 'conflict' | 'touchAfterPart'>>;

export function createWebService(engine: Engine, name: string, settings: Required<WebSettings>): WebService {
  const keys = makeWebKeys(name);
  const service = { engine, keys, settings };
  return { ...service, ...wholeSessions(service), ...flashes(service), ...ends(service) };
}

type Base = Pick<WebService, 'engine' | 'keys' | 'settings'>;

function wholeSessions({
  engine,
  keys,
  settings,
}: Base): Pick<WebService, 'create' | 'load' | 'save' | 'regenerate'> {
  const on = onSession(engine, keys);
  // Field by field: a spread costs as much as all the checks of a save.
  const filled = ({
    base,
    changes,
    conflict,
    touchAfterPart,
    idleMs,
    beside,
    besideFound,
    user,
  }: Brought): Saving => ({
    base,
    changes,
    conflict: conflict ?? settings.conflict,
    touchAfterPart: touchAfterPart ?? settings.touchAfterPart,
    dataBytesMax: settings.dataBytesMax,
    idleMs,
    beside,
    besideFound,
    user,
  });
  return {
    async create(id, creation) {
      const wrong = (creation.user && checkUser(creation.user)) ?? checkBeside(creation.beside);
      if (wrong) return wrong;
      const full: Creation = { ...settings, ...creation };
      const idHash = hashOf(id);
      const touched: Key[] = creation.id === 'new' ? [] : [keys.session(idHash)];
      if (creation.user) touched.push(keys.user(creation.user.userId));
      return engine.transact(touched, (view, now) => decideCreate(view, now, keys, idHash, full));
    },
    load(id, touch) {
      const touchAfterPart = touch ? settings.touchAfterPart : undefined;
      return on<Found | NotThere>(
        id,
        { ok: true, record: undefined },
        (idHash) => (view, now) => decideLoad(view, now, keys, idHash, touchAfterPart),
      );
    },
    async save(id, saving) {
      const wrong = saving.user ? checkUser(saving.user) : undefined;
      if (wrong) return wrong;
      const full = filled(saving);
      return on<Found>(id, notFound(), (idHash) => (view, now) => decideSave(view, now, keys, idHash, full));
    },
    async regenerate(id, saving) {
      const wrong = saving.user ? checkUser(saving.user) : undefined;
      if (wrong) return wrong;
      const full = filled(saving);
      const fresh = newSessionId();
      const freshHash = hashOf(fresh);
      const answer = await on<Found>(
        id,
        notFound(),
        (old) => (view, now) =>
          decideRegenerate(view, now, keys, { old, fresh: freshHash }, full, settings.absoluteMs),
      );
      return answer.ok ? { ...answer, id: fresh } : answer;
    },
  };
}

function flashes({ engine, keys }: Base): Pick<WebService, 'addFlash' | 'takeFlashes'> {
  const on = onSession(engine, keys);
  return {
    addFlash: (id, flash) =>
      on<{ readonly ok: true; readonly added: boolean }>(
        id,
        { ok: true, added: false },
        (idHash) => (view, now) => decideAddFlash(view, now, keys, idHash, flash),
      ),
    takeFlashes: (id) =>
      on<{ readonly ok: true; readonly flashes: readonly Flash[] }>(
        id,
        { ok: true, flashes: [] },
        (idHash) => (view, now) => decideTakeFlashes(view, now, keys, idHash),
      ),
  };
}

function ends({ engine, keys }: Base): Pick<WebService, 'destroy' | 'destroyHashed' | 'endAll'> {
  return {
    destroy: (id) =>
      onSession(engine, keys)<Destroyed>(
        id,
        { ok: true, destroyed: false },
        (idHash) => (view, now) => decideDestroy(view, now, keys, idHash),
      ),
    destroyHashed: (idHash, userId) =>
      engine.transact<Destroyed>([keys.session(idHash)], (view, now) =>
        decideDestroy(view, now, keys, idHash, userId),
      ),
    async endAll(userId, except) {
      const epoch = newEpoch();
      const exceptHash = except === undefined || !checkId(except) ? undefined : hashOf(except);
      const touched: Key[] = [keys.user(userId)];
      if (exceptHash !== undefined) touched.push(keys.session(exceptHash));
      return engine.transact(touched, (view, now) =>
        decideEndAll(view, now, keys, userId, epoch, exceptHash),
      );
    },
  };
}

/** Runs a body on the session with an id, and answers `none` where no session can have that id. */
type OnSession = <T>(
  id: string,
  none: T | Refused,
  body: (idHash: string) => Body<T | Refused>,
) => Promise<T | Refused>;

function onSession(engine: Engine, keys: WebKeys): OnSession {
  return async (id, none, body) => {
    if (!checkId(id)) return none;
    const idHash = hashOf(id);
    return engine.transact([keys.session(idHash) as Key], body(idHash));
  };
}
