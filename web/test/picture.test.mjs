/**
 * The picture of the map in README exists and is small.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "./hub.mjs";

test("map.png is a PNG of at most 300 KB", async () => {
	const png = await readFile(join(ROOT, "web/map.png"));
	assert.equal(png.toString("latin1", 0, 8), "\x89PNG\r\n\x1a\n");
	assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [1280, 720]);
	assert.ok(png.length <= 300_000, `${png.length} bytes`);
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
	assert.ok(pictures > 0, "web/README.md names map.png");
});
