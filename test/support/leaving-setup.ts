/** A worker is ended by SIGTERM, which alone would run no exit handler: what the product clears as it ends would stay. */
process.once("SIGTERM", () => process.exit(143));
