import { config } from "zod";

/** One command checks too little for code that zod would generate and compile for each schema to pay. */
export function checkWithoutCompiling(): void {
  config({ jitless: true });
}
