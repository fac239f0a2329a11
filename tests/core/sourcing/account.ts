/** An aggregate for tests, and what its tests share. */
import { AggregateRoot, type Event } from "../../../mod.ts";

interface AccountState {
  owner: string;
  balance: number;
}

/** A bank account; `overdraw` records and then throws. */
export class Account extends AggregateRoot<AccountState> {
  constructor(id: string) {
    super(id, { owner: "", balance: 0 });
  }

  open(owner: string): void {
    this.recordEvent("opened", { owner }, { schemaVersion: "2.0" });
  }

  deposit(amount: number): void {
    this.recordEvent("deposited", { amount });
  }

  withdraw(amount: number): void {
    if (amount > this.state.balance) throw new RangeError(`there are only ${this.state.balance}`);
    this.recordEvent("withdrawn", { amount });
  }

  record(type: string, payload: unknown): void {
    this.recordEvent(type, payload);
  }

  protected applyEvent(event: Event): void {
    switch (event.type) {
      case "opened":
        this.state.owner = event.payload.owner;
        break;
      case "deposited":
        this.state.balance += event.payload.amount;
        break;
      case "withdrawn":
        this.state.balance -= event.payload.amount;
        break;
      default:
        this.refuseEvent(event);
    }
  }
}

/** Remembers what `onError` was told. */
export function errorList(): {
  told: { error: unknown; context: string }[];
  onError: (error: unknown, context: string) => void;
} {
  const told: { error: unknown; context: string }[] = [];
  return { told, onError: (error, context) => void told.push({ error, context }) };
}
