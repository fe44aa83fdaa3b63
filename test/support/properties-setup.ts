import fc from "fast-check";

/**
 * The gate asks the same questions every time, so that a red run is about the change that it tests.
 * `npm run test:properties` asks new ones, ten times as many; a failure prints its seed for SANDKEEP_SEED.
 */
const given = process.env["SANDKEEP_SEED"] ?? "20251121";
if (given !== "random") fc.configureGlobal({ seed: Number(given) });
