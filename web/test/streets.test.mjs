/**
 * The demo opens on the streets of Florence, with vehicles that move along them. Where a hub has no
 * streets, its page says what to give it.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { Hub, LIMIT, PROGRAM, ROOT, live, open, rest } from "./hub.mjs";

const CITY = join(ROOT, "cmd/livemap/streets/firenze.pmtiles");
const PICTURES = join(ROOT, "web/screenshots");

describe("streets", { timeout: 10 * LIMIT }, () => {
	/** @type {Hub} */
	let hub;
	/** @type {import("playwright-core").Browser} */
	let browser;

	before(async () => {
		await mkdir(PICTURES, { recursive: true });
		hub = await Hub.start(["--map-pmtiles", CITY]);
		browser = await hub.browser("webgl");
	});
	after(async () => {
		await browser?.close();
		await hub?.end();
	});

	test("the demo opens at the level of streets, where vehicles move", async () => {
		const demo = spawn(PROGRAM, [
			...["demo", "--listen", "off", "--proxy-listen", "localhost:0", "--publish-listen", "127.0.0.1:0"],
		]);
		try {
			const url = await new Promise((resolve, reject) => {
				demo.once("exit", () => reject(new Error("the demo has ended")));
				createInterface({ input: demo.stdout }).on("line", (line) => {
					const found = /Open +(\S+)/.exec(line);
					if (found) resolve(found[1]);
				});
			});
			const page = await browser.newPage();
			page.setDefaultTimeout(LIMIT);
			await page.goto(url);
			await live(page);
			const [west, east] = await page.evaluate(() => [
				window.livemap.project([11.25, 43.77]),
				window.livemap.project([11.26, 43.77]),
			]);
			const wide = east.x - west.x; // pixels of 0.01 degrees, 804 m
			assert.ok(wide > 300 && wide < 1500, `${wide} px`);
			assert.ok(await page.locator("#street-hint").isHidden());
			/** Where the vehicles in view are drawn, in pixels. */
			const drawn = () =>
				page.evaluate(() =>
					window.livemap.vehicles().flatMap(({ id }) => {
						const at = window.livemap.drawn(String(id));
						return at ? [/** @type {const} */ ([String(id), at.left, at.top])] : [];
					}),
				);
			/** @type {Map<string, number[]>} */
			const first = new Map();
			/** @type {Set<string>} */
			const moved = new Set();
			while (moved.size < 5)
				for (const [id, ...at] of await drawn()) {
					const before = first.get(id) ?? at;
					first.set(id, before);
					if (Math.hypot(at[0] - before[0], at[1] - before[1]) > 10) moved.add(id);
				}
			assert.ok(first.size >= 10, `${first.size} vehicles in view`);
			await page.screenshot({ path: join(PICTURES, "demo.png"), timeout: LIMIT });
			await page.close();
		} finally {
			demo.kill("SIGKILL");
		}
	});

	test("outside of its streets the page says what to give, and not inside or from afar", async () => {
		const { page, complaints } = await open(hub, browser, "#map=15/43.7735/11.2562");
		const hint = page.locator("#street-hint");
		const shown = async (/** @type {string} */ hash) => {
			await page.evaluate((hash) => (location.hash = hash), hash);
			await rest(page);
			return hint.isVisible();
		};
		await rest(page);
		assert.equal(await hint.isVisible(), false, "inside");
		assert.equal(await shown("#map=12/48.137/11.575"), true, "in Munich");
		await hint.locator("summary").click();
		assert.match(await hint.innerText(), /--map-pmtiles FILE[^]*--map-style URL/);
		await page.screenshot({ path: join(PICTURES, "no-streets.png"), timeout: LIMIT });
		assert.equal(await shown("#map=6/48.137/11.575"), false, "from afar");
		assert.deepEqual(complaints, []);
		await page.close();
	});
});
