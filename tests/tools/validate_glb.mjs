// Checks GLB files with the Khronos validator.
//
// node tests/tools/validate_glb.mjs MODEL.glb...
//
// Prints a line for each file, and each of its errors and warnings. Exits with 1 if there are any.

import { readFile } from "node:fs/promises";
import validator from "gltf-validator";

const NAMES = ["error", "warning"];
const files = process.argv.slice(2);
if (files.length === 0) {
  console.error("usage: validate_glb.mjs MODEL.glb...");
  process.exit(2);
}

let passed = true;
for (const file of files) {
  const bytes = new Uint8Array(await readFile(file));
  const { issues, info } = await validator.validateBytes(bytes, { uri: file, format: "glb" });
  const { numErrors, numWarnings, numInfos } = issues;
  const clean = numErrors === 0 && numWarnings === 0;
  passed &&= clean;
  console.log(
    `${clean ? "ok  " : "FAIL"} ${file}: ${numErrors} errors, ${numWarnings} warnings, ` +
      `${numInfos} infos, ${info.totalTriangleCount} triangles`,
  );
  for (const { severity, code, message, pointer } of issues.messages) {
    if (severity < NAMES.length) {
      console.log(`     ${NAMES[severity]} ${code} at ${pointer ?? "the file"}: ${message}`);
    }
  }
}
process.exit(passed ? 0 : 1);
