// Fills dist/lib with what the page needs from npm: libraries, the base map's data and the licences, each
// file compressed. `make web` runs it.
//
// dist/.stamp, written last, lists the inputs and outputs. A run whose stamp still holds does nothing; after
// an interrupted run it does not hold, and the next run starts over.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const web = join(import.meta.dirname, "..");
const lib = join(web, "dist", "lib");
const stamp = join(web, "dist", ".stamp");
const aside = join(web, "dist.new"); // outside of dist, because all of dist is embedded

/** The libraries: the name of each, and the function that makes it.
 * @type {Record<string, () => Promise<string>>} */
const libraries = {
	"maplibre-gl.mjs": () => installed("maplibre-gl/dist/maplibre-gl.mjs"),
	// MapLibre finds its worker by this name.
	"maplibre-gl-worker.mjs": () => installed("maplibre-gl/dist/maplibre-gl-worker.mjs"),
	"maplibre-gl.css": () => installed("maplibre-gl/dist/maplibre-gl.css"),
	"pmtiles.mjs": async () => relative(await installed("pmtiles/dist/esm/index.js"), "fflate"),
	"vector-tile.mjs": async () =>
		relative(await installed("@mapbox/vector-tile/index.js"), "@mapbox/point-geometry", "point-geometry"),
	"point-geometry.mjs": () => installed("@mapbox/point-geometry/index.js"),
	"pbf.mjs": () => installed("pbf/index.js"),
	"fflate.mjs": () => installed("fflate/esm/browser.js"),
	"LICENSES.txt": licenses,
};

/** Reads a file of a package without the comment that names its source map.
 * @param {string} path */
async function installed(path) {
	const text = await readFile(join(web, "node_modules", path), "utf8");
	return text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
}

/** Replaces the import of a package by an import of the file beside it.
 * @param {string} text @param {string} name @param {string} file */
function relative(text, name, file = name) {
	const found = text.split(new RegExp(`(?<=from\\s*)["']${name}["']`));
	if (found.length !== 2)
		throw new Error(`"${name}" is there ${found.length - 1} times, where one import was expected`);
	return found.join(`"./${file}.mjs"`);
}

/** Returns the licences of all packages in lib. */
async function licenses() {
	const { packages } = JSON.parse(await readFile(join(web, "package-lock.json"), "utf8"));
	const shipped = Object.keys(packages).filter(
		(path) => path && !packages[path].dev && !path.includes("/@types/"),
	);
	const texts = shipped.map(async (path) => {
		const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
		const terms = packages[path].license ? ` (${packages[path].license})` : "";
		const title = `${name} ${packages[path].version}${terms}`;
		return `${title}\n${"=".repeat(title.length)}\n\n${(await license(name, join(web, path))).trim()}\n`;
	});
	return (await Promise.all(texts)).join("\n\n");
}

/** Returns a package's licence: its own file, a file in web/licenses, or a section of its README.
 * @param {string} name @param {string} dir */
async function license(name, dir) {
	const file = (await readdir(dir)).find((file) => /^(licen[cs]e|copying)(\.\w+)?$/i.test(file));
	if (file) return readFile(join(dir, file), "utf8");
	const ours = join(web, "licenses", `${name}.txt`);
	if (existsSync(ours)) return readFile(ours, "utf8");
	const section = /^#+ [^\n]*licen[cs]e[^\n]*\n(.*?)(?=^#|$(?![\s\S]))/ims.exec(
		await readFile(join(dir, "README.md"), "utf8"),
	);
	if (!section) throw new Error(`${name} has no licence; put its text into web/licenses/${name}.txt`);
	return section[1];
}

/** Writes the base map's data, if basemap.mjs exists.
 * @param {string} out */
async function baseMap(out) {
	const module = join(import.meta.dirname, "basemap.mjs");
	if (existsSync(module)) await (await import(module)).basemap(out);
}

/** Lists the files below a directory, as sorted paths relative to it.
 * @param {string} dir @returns {Promise<string[]>} */
async function files(dir) {
	if (!existsSync(dir)) return [];
	const entries = await readdir(dir, { recursive: true, withFileTypes: true });
	return entries
		.filter((entry) => entry.isFile())
		.map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
		.sort();
}

/** Replaces every file below a directory with its compressed form.
 * @param {string} dir */
async function compress(dir) {
	for (const name of await files(dir)) {
		if (name.endsWith(".gz")) continue;
		const packed = gzipSync(await readFile(join(dir, name)), { level: 9 });
		packed[9] = 255; // "unknown" operating system (RFC 1952): the same bytes everywhere
		await writeFile(join(dir, `${name}.gz`), packed);
		await rm(join(dir, name));
	}
}

/** Returns the names and hashes of files.
 * @param {string} dir @param {string[]} names */
async function fingerprint(dir, names) {
	const lines = names.map(
		async (name) =>
			`${createHash("sha256")
				.update(await readFile(join(dir, name)))
				.digest("hex")} ${name}\n`,
	);
	return (await Promise.all(lines)).join("");
}

/** The inputs of lib. The lock file stands for the packages. */
async function inputs() {
	const programs = (await files(import.meta.dirname)).map((name) => join("build", name));
	const ours = (await files(join(web, "licenses"))).map((name) => join("licenses", name));
	return fingerprint(web, ["package-lock.json", ...programs, ...ours]);
}

/** The text of the stamp: the inputs of lib, and its files.
 * @param {string} from */
async function stampText(from) {
	return `made from\n${from}makes\n${await fingerprint(lib, await files(lib))}`;
}

async function build() {
	const from = await inputs();
	if (existsSync(stamp) && (await readFile(stamp, "utf8")) === (await stampText(from))) return;
	await rm(aside, { recursive: true, force: true });
	await mkdir(aside, { recursive: true });
	for (const [name, make] of Object.entries(libraries)) await writeFile(join(aside, name), await make());
	await baseMap(aside);
	await compress(aside);
	await rm(lib, { recursive: true, force: true });
	await rename(aside, lib);
	await writeFile(stamp, await stampText(from));
	console.log(`web/dist/lib: ${(await files(lib)).length} files`);
}

await build();
