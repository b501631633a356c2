// build.mjs in a copy of web, with the installed packages and a fake base map.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
	appendFileSync,
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	readdirSync,
	rmSync,
	statSync,
	symlinkSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";

const web = join(import.meta.dirname, "..");

/** Makes the copy and removes it after the test. @param {import("node:test").TestContext} t */
function copy(t) {
	const dir = mkdtempSync(join(tmpdir(), "livemap-build-"));
	t.after(() => rmSync(dir, { recursive: true }));
	for (const name of ["build/build.mjs", "package.json", "package-lock.json", "licenses"])
		cpSync(join(web, name), join(dir, name), { recursive: true });
	symlinkSync(join(web, "node_modules"), join(dir, "node_modules"));
	mkdirSync(join(dir, "dist"));
	basemap(dir, "{}");
	return dir;
}

/** Writes a base map into the copy. @param {string} dir @param {string} data */
function basemap(dir, data) {
	writeFileSync(
		join(dir, "build/basemap.mjs"),
		`import { writeFileSync } from "node:fs";
		export async function basemap(out) { writeFileSync(out + "/atlas.json", ${JSON.stringify(data)}); }`,
	);
}

/** Builds, and returns whether it did anything. @param {string} dir */
function build(dir) {
	const { status, stdout, stderr } = spawnSync(process.execPath, [join(dir, "build/build.mjs")], {
		encoding: "utf8",
	});
	assert.equal(status, 0, stderr);
	return stdout !== "";
}

/** Reads the built files: contents by name. @param {string} dir */
const built = (dir) =>
	Object.fromEntries(
		readdirSync(join(dir, "dist/lib"))
			.sort()
			.map((name) => [name, readFileSync(join(dir, "dist/lib", name), "base64")]),
	);

/** Whether a range of versions, as package.json gives it under engines, has a version.
 * @param {string} range @param {number[]} version major, minor */
function holds(range, [major, minor]) {
	return range.split("||").some((part) => {
		const m = /^\s*(>=|\^|~)?\s*v?(\d+)(?:\.(\d+))?[.\dx]*\s*$/.exec(part);
		if (!m) return part.trim() === "*" || assert.fail(`cannot read the range ${range}`);
		const [from, fromMinor] = [Number(m[2]), Number(m[3] ?? 0)];
		if (major !== from) return m[1] === ">=" && major > from;
		return m[3] === undefined || (m[1] ? minor >= fromMinor : minor === fromMinor);
	});
}

test("every package of npm takes the oldest Node that README names", () => {
	const root = join(web, "..");
	const readme = readFileSync(join(root, "README.md"), "utf8");
	const oldest = /^\* Node (\d+)\.(\d+) or later/m.exec(readme);
	assert.ok(oldest, "README names a version of Node");
	let ranges = 0;
	const { packages } = JSON.parse(readFileSync(join(web, "package-lock.json"), "utf8"));
	for (const [name, { engines }] of Object.entries(packages)) {
		if (!engines?.node) continue;
		ranges++;
		const runs = holds(engines.node, oldest.slice(1).map(Number));
		assert.ok(runs, `${name || "the page"} needs Node ${engines.node}, but README says ${oldest[0]}`);
	}
	assert.ok(ranges > 10);
	const { engines } = JSON.parse(readFileSync(join(web, "package.json"), "utf8"));
	assert.equal(engines.node, `>=${oldest[1]}.${oldest[2]}`);
});

test("lib holds the page's libraries, compressed", (t) => {
	const dir = copy(t);
	assert.equal(build(dir), true);
	assert.deepEqual(Object.keys(built(dir)), [
		"LICENSES.txt.gz",
		"atlas.json.gz",
		"fflate.mjs.gz",
		"maplibre-gl-worker.mjs.gz",
		"maplibre-gl.css.gz",
		"maplibre-gl.mjs.gz",
		"pbf.mjs.gz",
		"pmtiles.mjs.gz",
		"point-geometry.mjs.gz",
		"vector-tile.mjs.gz",
	]);
	for (const [name, content] of Object.entries(built(dir))) {
		const packed = Buffer.from(content, "base64");
		assert.equal(packed.readUInt32LE(4), 0, `${name} has no date`);
		assert.doesNotMatch(gunzipSync(packed).toString(), /sourceMappingURL=/, name);
	}
	const licenses = gunzipSync(Buffer.from(built(dir)["LICENSES.txt.gz"], "base64")).toString();
	for (const text of [
		"MapLibre contributors",
		"Protomaps LLC",
		"Arjun Barrett",
		"Mike Bostock",
		"Zachary Carter",
		"Gary Court",
		"SimpleMaps",
	])
		assert.match(licenses, new RegExp(text));
	assert.doesNotMatch(licenses, /playwright|typescript |undefined/i);
});

test("modules can be imported and need no package", async (t) => {
	const dir = copy(t);
	build(dir);
	for (const name of ["fflate.mjs", "pmtiles.mjs", "vector-tile.mjs", "point-geometry.mjs"]) {
		writeFileSync(join(dir, name), gunzipSync(readFileSync(join(dir, "dist/lib", `${name}.gz`))));
	}
	rmSync(join(dir, "node_modules"));
	assert.equal(typeof (await import(join(dir, "pmtiles.mjs"))).PMTiles, "function");
	assert.equal(typeof (await import(join(dir, "vector-tile.mjs"))).VectorTile, "function");
});

test("the same inputs make the same bytes, and a second run does nothing", (t) => {
	const [one, other] = [copy(t), copy(t)];
	(build(one), build(other));
	assert.deepEqual(built(one), built(other));
	const before = statSync(join(one, "dist/lib/maplibre-gl.mjs.gz"));
	assert.equal(build(one), false);
	assert.equal(statSync(join(one, "dist/lib/maplibre-gl.mjs.gz")).ino, before.ino);
});

test("a changed input is built again", (t) => {
	const dir = copy(t);
	build(dir);
	for (const change of [
		() => basemap(dir, "[]"),
		() => writeFileSync(join(dir, "build/basemap-x.mjs"), ""),
		() => appendFileSync(join(dir, "package-lock.json"), "\n"),
		() => appendFileSync(join(dir, "licenses/pmtiles.txt"), "\n"),
	]) {
		change();
		assert.equal(build(dir), true);
		assert.equal(build(dir), false);
	}
	assert.equal(gunzipSync(Buffer.from(built(dir)["atlas.json.gz"], "base64")).toString(), "[]");
});

test("the next run repairs an interrupted one", (t) => {
	const dir = copy(t);
	build(dir);
	const whole = built(dir);
	const [lib, stamp, aside] = [join(dir, "dist/lib"), join(dir, "dist/.stamp"), join(dir, "dist.new")];
	for (const [when, interrupt] of /** @type {[string, () => void][]} */ ([
		[
			"while it wrote aside",
			() => {
				mkdirSync(aside);
				writeFileSync(join(aside, "half.gz"), "");
				rmSync(stamp);
			},
		],
		["before it took the old away", () => rmSync(stamp)],
		[
			"before it renamed",
			() => {
				rmSync(stamp);
				rmSync(lib, { recursive: true });
			},
		],
		["in the middle of the stamp", () => truncateSync(stamp, 100)],
		["and somebody deleted lib", () => rmSync(lib, { recursive: true })],
		["or a file", () => rmSync(join(lib, "fflate.mjs.gz"))],
		["or cut one off", () => truncateSync(join(lib, "fflate.mjs.gz"), 100)],
		["or added one", () => writeFileSync(join(lib, "x.gz"), "")],
	])) {
		interrupt();
		assert.equal(build(dir), true, when);
		assert.deepEqual(built(dir), whole, when);
		assert.equal(existsSync(aside), false, when);
		assert.equal(build(dir), false, when);
	}
});
