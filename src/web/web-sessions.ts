import { checkFlash, checkName, checkPolicy, checkSettings, checkUserId } from './web-input-rules.js';
import { clearSessions, listForUser, walkSessions } from './web-listing.js';
import { createWebService, type WebService } from './web-service.js';
import { dataOf, WebSessionHandle } from './web-session.js';
import { sweepBatchesMax, sweepBatchMax } from './web-limits.js';
import type { WebSession, WebSessions, WebSettings } from './web-types.js';
import type { Engine } from '../engine/engine.js';
import { isSessionKey } from './web-records.js';
import { newSessionId } from './session-ids.js';
import { notFound } from './web-refusals.js';

/**
 * Web sessions over an engine. Thin: checks what comes in, and hands pure rules to the engine.
 *
 * @throws AmbitError `INVALID_INPUT` for settings out of their bounds
 */
export function createWebSessions(engine: Engine, settings: WebSettings = {}): WebSessions {
  return sessionsOf(engine, '', settings);
}

/** The service under a face, for the middlewares of servers: they have ids and cookies of their own. */
export function serviceOf(web: WebSessions): WebService {
  const service = services.get(web);
  if (!service) throw new TypeError('web must be the `web` of an open Ambit, or what its `named` answered');
  return service;
}

/** @throws TypeError for what is no `web` */
export function requireWeb(web: WebSessions): WebSessions {
  serviceOf(web);
  return web;
}

const services = new WeakMap<WebSessions, WebService>();

function sessionsOf(engine: Engine, name: string, settings: WebSettings): WebSessions {
  const service = createWebService(engine, name, checkSettings(settings));
  const web: WebSessions = {
    ...lifeOf(service),
    async addFlash(id, input) {
      const checked = checkFlash(input);
      return checked.ok ? service.addFlash(id, checked.flash) : checked;
    },
    takeFlashes: (id) => service.takeFlashes(id),
    destroy: (id) => service.destroy(id),
    async destroyAllForUser(userId, options = {}) {
      return checkUserId(userId) ?? service.endAll(userId, options.except);
    },
    listForUser: (userId, options = {}) => listForUser(service, userId, options),
    async destroyListed(userId, handle) {
      if (typeof handle !== 'string') throw new TypeError('handle must be a string');
      const wrong = checkUserId(userId);
      if (wrong) return wrong;
      return handleForm.test(handle) ? service.destroyHashed(handle, userId) : { ok: true, destroyed: false };
    },
    async count() {
      let count = 0;
      const walked = await walkSessions(service, () => count++);
      return walked.ok ? { ok: true, count } : walked;
    },
    clear: () => clearSessions(service),
    async sweep() {
      let sessions = 0;
      for (let batch = 0; batch < sweepBatchesMax; batch++) {
        const answer = await engine.sweep(sweepBatchMax);
        if (!answer.ok) return answer;
        sessions += answer.keys.filter(isSessionKey).length;
        if (answer.keys.length < sweepBatchMax) break;
      }
      return { ok: true, sessions };
    },
    named: (other, otherSettings = settings) => sessionsOf(engine, checkName(other), otherSettings),
  };
  services.set(web, service);
  return web;
}

/** What {@link hashOf} makes: a handle may come from a form. */
const handleForm = /^[A-Za-z0-9_-]{43}$/;

function lifeOf(service: WebService): Pick<WebSessions, 'create' | 'load' | 'save' | 'regenerate'> {
  return {
    async create<Data extends object>(input: Parameters<WebSessions['create']>[0] = {}) {
      if (typeof input !== 'object' || input === null) throw new TypeError('a new session must be an object');
      const id = newSessionId();
      const created = await service.create(id, {
        data: dataOf(input.data ?? {}),
        user: input.user,
        beside: null,
        id: 'new',
      });
      return created.ok ? { ok: true, session: new WebSessionHandle<Data>(id, created) } : created;
    },
    async load<Data extends object>(id: string, options: { readonly touch?: boolean } = {}) {
      const found = await service.load(id, options.touch ?? true);
      if (!found.ok) return found;
      if (!found.record) return notFound();
      return { ok: true, session: new WebSessionHandle<Data>(id, found), touched: found.touched };
    },
    async save(session, options = {}) {
      const { conflict } = options;
      const wrong = conflict === undefined ? undefined : checkPolicy(conflict);
      if (wrong) return wrong;
      const handle = handleOf(session);
      const snapshot = handle.snapshot();
      const saved = await service.save(handle.id, {
        ...snapshot,
        ...(conflict !== undefined && { conflict }),
      });
      if (!saved.ok) return saved;
      handle.adopt(handle.id, saved, snapshot);
      return { ok: true, touched: saved.touched };
    },
    async regenerate(session, options = {}) {
      const handle = handleOf(session);
      const snapshot = handle.snapshot();
      const moved = await service.regenerate(handle.id, { ...snapshot, user: options.user });
      if (!moved.ok) return moved;
      handle.adopt(moved.id, moved, snapshot);
      return { ok: true };
    },
  };
}

function handleOf<Data extends object>(session: WebSession<Data>): WebSessionHandle<Data> {
  if (session instanceof WebSessionHandle) return session as WebSessionHandle<Data>;
  throw new TypeError('session must be what create or load answered');
}
