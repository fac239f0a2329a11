/** What is stored of the deliveries of a subscription, or of some parts of it. */
import type {
  CursorRecord,
  ExpiredOfParts,
  MissedOfParts,
  UnansweredRecord,
  WaitingRetry,
} from "../state/records.ts";
import type { OpenDelivery } from "./unanswered.ts";

/** What is stored of a queue, or of some parts of it. */
export interface DeliveryRows {
  cursors: readonly CursorRecord[];
  done: readonly { topic: string; seq: number; part?: number }[];
  missed: readonly MissedOfParts[];
  expired?: readonly ExpiredOfParts[];
  retries: readonly WaitingRetry[];
  unanswered?: readonly UnansweredRecord[];
  /** What other processes had begun when the previous broker process ended. */
  open?: readonly OpenDelivery[];
}
