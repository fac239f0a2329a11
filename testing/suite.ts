/** What every suite needs: how tests are registered, and what a store under test is. */

/** Registers a test. */
export type TestFunction = (name: string, body: () => Promise<void>) => void;

/** A store under test. */
export interface UnderTest<Store> {
  /** The store, empty. */
  store: Store;
  /** Closes the store and opens it again on what it left behind. */
  reopen?(): Promise<Store>;
  /** Lets time pass by the clock that the store was given, its monotonic time too, ms. */
  advance?(ms: number): void;
  /** Closes it, and leaves nothing behind. */
  dispose?(): Promise<void>;
}

/** Registers a test that gets a store of its own. */
export type Register<Store> = (
  title: string,
  body: (under: UnderTest<Store>) => Promise<void>,
) => void;

/** A {@link Register} that makes each test its store, and disposes of it. */
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

/** The store opened again, where something outlives the process; else the store as it is. */
export async function again<Store>({ store, reopen }: UnderTest<Store>): Promise<Store> {
  return reopen ? await reopen() : store;
}
