/**
 * The pictures of the map exist and are small.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "./hub.mjs";

test("each picture is a PNG of its size, and of at most 300 KB", async () => {
	for (const [name, ...size] of /** @type {const} */ ([
		["map", 1280, 720],
		["streets", 1000, 640],
		["dark", 1000, 640],
		["phone", 585, 1140],
	])) {
		const png = await readFile(join(ROOT, `web/${name}.png`));
		assert.equal(png.toString("latin1", 0, 8), "\x89PNG\r\n\x1a\n");
		assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], size, name);
		assert.ok(png.length <= 300_000, `${name}: ${png.length} bytes`);
	}
});

test("every picture that a README shows exists", async () => {
	let pictures = 0;
	for (const readme of ["README.md", "web/README.md"]) {
		const text = await readFile(join(ROOT, readme), "utf8");
		for (const [, path] of text.matchAll(/\]\(([^)\s]+\.png)\)/g)) {
			await readFile(join(ROOT, readme, "..", path));
			pictures++;
		}
	}
	assert.ok(pictures >= 4, "the READMEs show all of them");
});
