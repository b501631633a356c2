/**
 * The package for npm, as `npm publish` would pack it.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { version } from "../src/livemap.js";
import { ROOT } from "./hub.mjs";

const run = promisify(execFile);
const folder = join(ROOT, "web/package");

test("the package holds the module, its types and nothing else", async (t) => {
	const copies = ["livemap.js", "livemap.d.ts"];
	await Promise.all(copies.map((name) => rm(join(folder, name), { force: true })));
	const { stdout } = await run("npm", ["pack", "--dry-run", "--json"], { cwd: folder });
	const said = JSON.parse(stdout.slice(stdout.search(/^[[{]/m)));
	const [packed] = /** @type {any[]} */ (Object.values(said));
	assert.deepEqual(
		packed.files.map((/** @type {{path: string}} */ { path }) => path).sort(),
		["README.md", "livemap.d.ts", "livemap.js", "package.json"],
	);
	const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
	assert.equal(manifest.version, version);
	for (const name of copies) {
		const [source, copy] = await Promise.all(
			[join(ROOT, "web/src"), folder].map((from) => readFile(join(from, name), "utf8")),
		);
		assert.equal(copy, source, name);
	}

	// A program finds it by its name, and TypeScript its types.
	const dir = await mkdtemp(join(tmpdir(), "livemap-package-"));
	t.after(() => rm(dir, { recursive: true }));
	await mkdir(join(dir, "node_modules"));
	await symlink(folder, join(dir, "node_modules", manifest.name));
	await writeFile(
		join(dir, "program.mts"),
		`import { follow, version, type Feature } from "${manifest.name}";
		const seen: Feature[] = [];
		console.log(version, typeof follow, seen.length);\n`,
	);
	const tsc = join(ROOT, "web/node_modules/.bin/tsc");
	const options = ["--strict", "--target", "es2023", "--lib", "es2023,dom", "--types", ""];
	await run(tsc, [...options, "--module", "nodenext", "program.mts"], { cwd: dir });
	const ran = await run(process.execPath, ["program.mjs"], { cwd: dir });
	assert.equal(ran.stdout.trim(), `${version} function 0`);
});
