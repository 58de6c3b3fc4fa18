/** A JSON-RPC id that every parser reads the same way. */
export type FrameId = string | number;

/** JSON-RPC 2.0, section 5.1. */
export const parseErrorCode = -32_700;
export const invalidRequestCode = -32_600;
export const methodNotFoundCode = -32_601;
export const invalidParamsCode = -32_602;
export const internalErrorCode = -32_603;

export type JsonObject = Readonly<Record<string, unknown>>;

/** A frame of the client that every parser reads the same way. */
export type ClientFrame = ClientRequest | ClientNotification | ClientResponse;

export interface ClientRequest {
  readonly kind: 'request';
  readonly id: FrameId;
  readonly method: string;
  readonly params: JsonObject;
  /** The line to send on: as received, but for raw line separators, which are escaped. */
  readonly text: string;
}

export interface ClientNotification {
  readonly kind: 'notification';
  readonly method: string;
  readonly params: JsonObject;
  readonly text: string;
}

export interface ClientResponse {
  readonly kind: 'response';
  readonly id: FrameId;
  readonly text: string;
}

/** Why a frame is not passed on, and what is answered. */
export interface FrameRejection {
  readonly kind: 'rejection';
  readonly code: number;
  readonly reason: string;
  /** `null` where the frame's own id cannot be told safely. */
  readonly id: FrameId | null;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
