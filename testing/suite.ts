/** What every suite needs: how tests are registered, and what a store under test provides. */

/** Registers a test. */
export type TestFunction = (name: string, body: () => Promise<void>) => void;

/** A store under test. */
export interface UnderTest<Store> {
  /** The store, empty. */
  store: Store;
  /** Closes the store and opens it again on the data it left. */
  reopen?(): Promise<Store>;
  /** Moves the clock that the store was given forward by `ms`, including its monotonic time. */
  advance?(ms: number): void;
  /** Closes it and removes everything it left. */
  dispose?(): Promise<void>;
}

/** Registers a test that gets its own store. */
export type Register<Store> = (
  title: string,
  body: (under: UnderTest<Store>) => Promise<void>,
) => void;

/** Returns a {@link Register} that creates a store for each test and disposes of it afterwards. */
export function registerWith<Store>(
  name: string,
  { create, test }: { create: () => Promise<UnderTest<Store>>; test: TestFunction },
): Register<Store> {
  return (title, body) =>
    test(`${name} ${title}`, async () => {
      const under = await create();
      try {
        await body(under);
      } finally {
        await under.dispose?.();
      }
    });
}

/** The store, reopened if it can be; otherwise the store itself. */
export async function again<Store>({ store, reopen }: UnderTest<Store>): Promise<Store> {
  return reopen ? await reopen() : store;
}
