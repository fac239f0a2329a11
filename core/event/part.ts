/**
 * How the events of a topic are divided between nodes. An event has a slot, which is stored with it
 * and never changes; a subscription has parts, and a slot belongs to one of them. All events of a
 * key have one slot, so each key is delivered by one node at a time.
 */
import { hash } from "../base/key_hash.ts";

/** How many slots there are. */
export const SLOTS = 256;

/** How many neighbours without a key share a slot: reading one part of them reads whole runs. */
export const SLOT_RUN = 256;

/** The most parts that a subscription has: as many as a {@link PartMask} holds. */
export const MOST_PARTS = 30;

/** Some parts as a number: bit n stands for part n. */
export type PartMask = number;

/** All parts, however many there are. */
export const EVERY_PART: PartMask = -1;

/** Some parts of so many. */
export interface PartSelection {
  count: number;
  mask: PartMask;
}

/** What the slot of an event depends on. */
export interface Placed {
  seq: number;
  key?: string | undefined;
}

/** The slot of a key, from 0. */
export function slotOfKey(key: string): number {
  return hash(key)[0] % SLOTS;
}

/** The slot of an event, as the store gives it. */
export function eventSlot({ key, seq }: Placed): number {
  return key === undefined ? Math.floor(seq / SLOT_RUN) % SLOTS : slotOfKey(key);
}

/** Which of so many parts an event belongs to, from 0. */
export function partOf(event: Placed, parts: number): number {
  return parts === 1 ? 0 : eventSlot(event) % parts;
}

/** All of so many parts. */
export function allParts(count: number): PartMask {
  return 2 ** count - 1;
}

/** These parts as a mask. */
export function maskOf(parts: Iterable<number>): PartMask {
  let mask = 0;
  for (const part of parts) mask |= 1 << part;
  return mask;
}

/** The parts of a mask, ascending. */
export function partsIn(mask: PartMask): number[] {
  const parts: number[] = [];
  for (let part = 0; part < MOST_PARTS; part++) if ((mask & 1 << part) !== 0) parts.push(part);
  return parts;
}

/** True if the event belongs to one of these parts. */
export function isInParts(event: Placed, { count, mask }: PartSelection): boolean {
  return (mask & 1 << partOf(event, count)) !== 0;
}

/** The part as the records of the state name it: only from the second one on. */
export function partField(part: number): { part?: number } {
  return part > 0 ? { part } : FIRST_PART;
}

const FIRST_PART = {};
