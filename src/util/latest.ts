/**
 * A way to carry out wishes of which only the newest counts, like the size of a window: one at a time, so that an older
 * wish that travels slowly never ends up on top of a newer one. Resolves when the wish, or a newer one, is carried out.
 */
export function latest<T>(carryOut: (wish: T) => Promise<void>): (wish: T) => Promise<void> {
  let newest: { readonly wish: T } | undefined;
  let working: Promise<void> | undefined;

  const work = async (): Promise<void> => {
    let failure: { readonly thrown: unknown } | undefined;
    while (newest !== undefined) {
      const { wish } = newest;
      newest = undefined;
      failure = undefined;
      await carryOut(wish).catch((thrown: unknown) => (failure = { thrown }));
    }
    working = undefined;
    if (failure !== undefined) throw failure.thrown;
  };

  return async (wish) => {
    newest = { wish };
    working ??= work();
    await working;
  };
}
