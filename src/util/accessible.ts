import { constants } from "node:fs";
import { access } from "node:fs/promises";

/** True when this process may use the path so; by default when it can see that it exists, whatever it is. */
export async function isAccessible(path: string, mode: number = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
