/**
 * The page in a browser without WebGL2, and in one that loses it.
 */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { drawn, Hub, LIMIT, now, open, pixel, rest, ROOT } from "./hub.mjs";

const PICTURES = join(ROOT, "web/screenshots");
const BERLIN = { lon: 13.404954, lat: 52.520008 };
const SEA = [207, 223, 234];
const LAND = [244, 242, 238];

const NIGHT_SEA = [18, 26, 35];
const NIGHT_LAND = [32, 39, 47];
const SMALL = { viewport: { width: 1000, height: 400 } };

/** Keeps what loses and restores the contexts of the page. @param {import("playwright-core").Page} page */
const keepContext = (page) =>
	page.addInitScript(() => {
		const { getContext } = HTMLCanvasElement.prototype;
		HTMLCanvasElement.prototype.getContext = /** @type {any} */ (
			/** @this {any} @param {any} args */ function (...args) {
				const context = getContext.apply(this, args);
				if (args[0] === "webgl2") {
					Object.assign(window, { context: /** @type {any} */ (context)?.getExtension("WEBGL_lose_context") });
				}
				return context;
			}
		);
	});

/** @param {number[]} a @param {number[]} b */
const near = (a, b) => a.every((c, i) => Math.abs(c - b[i]) < 12);

/** @param {import("playwright-core").Page} page @param {[number, number]} place degrees */
async function at(page, place) {
	const { x, y } = await page.evaluate((place) => window.livemap.project(place), place);
	return { left: x, top: y };
}

/**
 * Waits until the trail is drawn at a place.
 * @param {import("playwright-core").Page} page
 * @param {[number, number]} place degrees
 */
async function trailAt(page, place) {
	const limit = Date.now() + LIMIT;
	for (;;) {
		const [red, green] = await pixel(page, await at(page, place));
		if (red > green + 60) return;
		assert.ok(Date.now() < limit, `no trail: ${red} ${green}`);
	}
}

describe("the page without WebGL2", { timeout: 10 * LIMIT }, () => {
	/** @type {Hub} */
	let hub;
	before(async () => {
		await mkdir(PICTURES, { recursive: true });
		hub = await Hub.start();
		await hub.publish(
			{ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 0, timestamp: now() },
			{ vehicle_id: "VAN-8", lon: BERLIN.lon + 0.3, lat: BERLIN.lat, speed_kmh: 30, heading: 90 },
			{ vehicle_id: "FERRY-1", lon: 11, lat: 53, speed_kmh: 0, timestamp: now() - 60 },
			{ vehicle_id: "FERRY-1", lon: 12, lat: 53, speed_kmh: 0, timestamp: now() },
		);
	});
	after(() => hub?.end());

	test("draws outlines with the vehicles, and is as usable", async () => {
		const browser = await hub.browser("plain");
		try {
			const { page, complaints } = await open(hub, browser, "#map=6/53/13");
			assert.match(await page.locator("#list").innerText(), /VAN-7[^]*VAN-8/);
			await rest(page);
			assert.ok(near(await pixel(page, await at(page, [15, 54.7])), SEA), "the Baltic Sea");
			assert.ok(near(await pixel(page, await at(page, [12, 52.9])), LAND), "Brandenburg");
			await page.locator("#simple-map summary").click();
			assert.match(await page.locator("#simple-map").innerText(), /no WebGL2[^]*no streets/);
			await page.locator("#simple-map summary").click();
			assert.match(await page.locator(".maplibregl-ctrl-attrib").innerText(), /Natural Earth/);
			await page.screenshot({ path: join(PICTURES, "plain.png") });

			const van = await drawn(page, "VAN-7");
			await page.locator("#map").click({ position: { x: van.left, y: van.top } });
			await page.locator("#details h2", { hasText: "VAN-7" }).waitFor();
			await page.keyboard.press("Escape");

			const box = /** @type {{x: number, y: number}} */ (await page.locator("#map").boundingBox());
			const before = await at(page, [13, 53]);
			await page.mouse.move(box.x + 300, box.y + 300);
			await page.mouse.down();
			await page.mouse.move(box.x + 350, box.y + 320, { steps: 3 });
			await page.mouse.up();
			const panned = await at(page, [13, 53]);
			assert.deepEqual(
				[panned.left - before.left, panned.top - before.top].map(Math.round),
				[50, 20],
				"the ground goes with the pointer",
			);
			await page.mouse.wheel(0, -200);
			await page.waitForURL(/#map=7/);
			const zoomed = await at(page, [13, 53]);
			assert.ok(
				Math.abs(zoomed.left - 350 - 2 * (panned.left - 350)) < 1,
				`what is under the pointer stays: ${zoomed.left} ${panned.left}`,
			);
			await page.getByRole("button", { name: "Zoom out" }).click();
			await page.waitForURL(/#map=6/);
			const { left } = await at(page, [13, 53]);
			await page.getByRole("region", { name: "Map of the vehicles" }).press("ArrowRight");
			assert.equal(Math.round(left - (await at(page, [13, 53])).left), 100);

			// Another view of the same, at night.
			await page.emulateMedia({ colorScheme: "dark" });
			await page.evaluate(() => (location.hash = "#map=2/30/-170&vehicle=VAN-8"));
			await page.waitForFunction(() => window.livemap.project([-170, 30]).x > 400);
			await rest(page);
			assert.ok(near(await pixel(page, await at(page, [-150, 0])), NIGHT_SEA), "the Pacific");
			assert.ok(near(await pixel(page, await at(page, [-246, 27])), NIGHT_LAND), "Asia, in the west");
			assert.deepEqual(complaints, []);
		} finally {
			await browser.close();
		}
	});

	test("draws MapLibre's map again after a lost context, and outlines until then", async () => {
		const browser = await hub.browser("webgl");
		try {
			const { page, complaints } = await open(hub, browser, "#map=6/53/13&vehicle=FERRY-1", SMALL, keepContext);
			await page.waitForFunction(() => window.livemap.trail() === 2);
			await rest(page);
			await trailAt(page, [11.6, 53]);
			assert.ok(await page.locator("#simple-map").isHidden());
			const before = await at(page, [13.4, 52.5]);
			await page.evaluate(() => /** @type {any} */ (window).context.loseContext());
			await page.locator("#simple-map").waitFor();
			await rest(page);
			const { left, top } = await at(page, [13.4, 52.5]);
			assert.ok(Math.hypot(left - before.left, top - before.top) < 0.1, "the view is the same");
			assert.ok(near(await pixel(page, await at(page, [12.3, 52.6])), LAND), "land is drawn");
			assert.ok(await drawn(page, "VAN-7"));
			await trailAt(page, [11.6, 53]);
			await page.getByRole("button", { name: "Zoom in" }).click();
			await page.waitForURL(/#map=7/);
			await page.evaluate(() => /** @type {any} */ (window).context.restoreContext());
			await page.locator("#simple-map").waitFor({ state: "hidden" });
			await rest(page);
			assert.match(page.url(), /#map=7/);
			assert.ok(near(await pixel(page, await at(page, [12.3, 52.6])), LAND), "by MapLibre");
			assert.ok(await drawn(page, "VAN-7"), "on MapLibre's map");
			await trailAt(page, [11.9, 53]);
			assert.equal(await page.locator(".maplibregl-canvas-container > .markers").count(), 1);
			assert.deepEqual(complaints.filter((c) => !/CONTEXT_LOST|context lost/i.test(c)), []);
		} finally {
			await browser.close();
		}
	});

	test("streams, lists and finds while MapLibre does not arrive, and says when it cannot", async () => {
		const browser = await hub.browser("webgl");
		try {
			/** @type {import("playwright-core").Route | undefined} */
			let held;
			const { page } = await open(hub, browser, "#map=6/53/13", SMALL, (page) =>
				page.route(/maplibre-gl\.mjs/, (route) => void (held = route)),
			);
			assert.match(await page.locator("#list").innerText(), /VAN-7[^]*VAN-8/);
			await page.getByRole("searchbox").fill("van-8");
			await page.getByRole("searchbox").press("Enter");
			await page.locator("#details h2", { hasText: "VAN-8" }).waitFor();
			assert.ok(await drawn(page, "VAN-8"), "on a map without ground");
			await hub.publish({ vehicle_id: "VAN-80", ...BERLIN, lon: BERLIN.lon + 0.29, speed_kmh: 0 });
			assert.ok(await drawn(page, "VAN-80"));
			await held?.abort();
			await page.locator("#simple-map").waitFor();
			assert.match(await page.locator("#simple-map .why").textContent() ?? "", /cannot be drawn/);
			await rest(page);
		} finally {
			await browser.close();
		}
	});
});
