// An authority, and one certificate of it for `engine.test` that a server and a client may both show: ca.pem, cert.pem, key.pem.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export async function makeCertificates(folder: string): Promise<void> {
  const inside = { cwd: folder };
  await run(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=test-ca",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
    ],
    inside,
  );
  await run(
    "openssl",
    [
      "req",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-subj",
      "/CN=engine.test",
      "-keyout",
      "key.pem",
      "-out",
      "engine.csr",
    ],
    inside,
  );
  await writeFile(join(folder, "ext"), "subjectAltName=DNS:engine.test\n");
  await run(
    "openssl",
    [
      "x509",
      "-req",
      "-in",
      "engine.csr",
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      "2",
      "-extfile",
      "ext",
      "-out",
      "cert.pem",
    ],
    inside,
  );
}
