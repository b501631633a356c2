// Puts the module that the hub serves, and its types, into the package. npm runs it before `npm pack` and
// `npm publish`.
import { copyFile } from "node:fs/promises";

for (const name of ["livemap.js", "livemap.d.ts"]) {
	await copyFile(new URL(`../src/${name}`, import.meta.url), new URL(name, import.meta.url));
}
