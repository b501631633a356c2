/**
 * The look of the page: screenshots with a simulated fleet in web/screenshots/, and automatic accessibility
 * checks.
 */
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Hub, LIMIT, open, pixel, rest, ROOT, STREETS } from "./hub.mjs";

const PICTURES = join(ROOT, "web/screenshots");
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @type {Hub} */
let hub;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("node:child_process").ChildProcess} */
let fleet;

before(async () => {
	await mkdir(PICTURES, { recursive: true });
	hub = await Hub.start();
	browser = await hub.browser("webgl");
	fleet = hub.command("simulate", "--vehicles", "250");
	while ((await hub.truth()).size < 250) {
		assert.equal(fleet.exitCode, null, "the simulation has ended");
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
});

after(async () => {
	fleet?.kill();
	await browser?.close();
	await hub?.end();
});

/**
 * Takes a screenshot of a page with a complete map, and checks it with axe.
 * @param {import("./hub.mjs").Opened} opened
 * @param {string} name
 * @param {RegExp} [expected] complaints of the browser
 */
async function picture({ page, complaints }, name, expected = /^$/) {
	await rest(page);
	await page.screenshot({ path: join(PICTURES, `${name}.png`) });
	assert.deepEqual(
		complaints.filter((c) => !expected.test(c)),
		[],
		name,
	);
	await page.evaluate(axe); // through the debugger, which the page's policy does not restrict
	const { violations } = await page.evaluate(() =>
		/** @type {any} */ (globalThis).axe.run({ exclude: [".maplibregl-canvas"] }),
	);
	assert.deepEqual(
		violations.map((/** @type {any} */ v) => [
			v.id,
			v.help,
			v.nodes.map((/** @type {any} */ n) => [n.html, n.failureSummary]),
		]),
		[],
		name,
	);
}

/**
 * Turns a page dark, and waits until a place on its map is dark.
 * @param {import("./hub.mjs").Opened} opened
 * @param {{left: number, top: number}} place
 */
async function turn({ page }, place) {
	const limit = Date.now() + LIMIT;
	await rest(page);
	await page.emulateMedia({ colorScheme: "dark" });
	while ((await pixel(page, place))[2] > 70) {
		assert.ok(Date.now() < limit, "the map is still light");
	}
}

/** A place in open water in the first view, in CSS pixels of the map. */
const SEA = { left: 120, top: 90 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

/** The id of a moving vehicle. */
async function mover() {
	const [one] = [...(await hub.truth()).values()].filter((f) => f.properties.speed_kmh > 30);
	return one.id;
}

describe("the page looks right", { timeout: 30 * LIMIT }, () => {
	test("on a desktop, by day and by night", async () => {
		const opened = await open(hub, browser, "#map=5/50/10");
		await picture(opened, "desktop");
		await turn(opened, SEA);
		await picture(opened, "dark");
		await opened.page.context().close();
	});

	test("with a vehicle selected", async () => {
		const opened = await open(hub, browser, `#vehicle=${await mover()}`);
		await opened.page.waitForFunction(() => window.livemap.trail() > 3);
		await picture(opened, "selected");
		await opened.page.context().close();
	});

	test("on a phone, with the list open, and with a vehicle selected", async () => {
		const opened = await open(hub, browser, "", PHONE);
		const drawnOnce = (/** @type {Element} */ e) => getComputedStyle(e).backgroundRepeat === "no-repeat";
		assert.ok(await opened.page.locator(".maplibregl-ctrl-attrib-button").evaluate(drawnOnce));
		await opened.page
			.locator(".maplibregl-ctrl-attrib-inner")
			.evaluate((e) => e.prepend("Protomaps © OpenStreetMap | ")); // as with streets
		const box = (/** @type {string} */ selector) => opened.page.locator(selector).boundingBox();
		const source = await box(".maplibregl-ctrl-attrib");
		for (const covered of [await box(".maplibregl-ctrl-scale"), await box("#legend")]) {
			assert.ok(source && covered && covered.x + covered.width <= source.x, "the sources cover it");
		}
		await picture(opened, "phone");
		await opened.page.locator("#sheet").click();
		await picture(opened, "phone-list");
		await opened.page.locator("[role=option]").first().click();
		await picture(opened, "phone-selected");
		await opened.page.context().close();
	});

	test("when the hub is away", async () => {
		const short = await Hub.start();
		const own = await short.browser("webgl");
		try {
			await short.publish({ vehicle_id: "TRUCK-042", lon: 13.4, lat: 52.5, speed_kmh: 0 });
			const opened = await open(short, own);
			await rest(opened.page);
			await short.stop();
			await opened.page.waitForFunction(() => window.livemap.status().phase === "waiting");
			await picture(opened, "reconnecting", /net::ERR_/);
		} finally {
			await own.close();
			await short.end();
		}
	});

	test("over streets from a file", async () => {
		const streets = await Hub.start(["--map-pmtiles", STREETS]);
		const own = await streets.browser("webgl");
		try {
			await streets.publish(
				...Array.from({ length: 24 }, (_, i) => ({
					vehicle_id: `VAN-${i + 1}`,
					lon: 11.2558 + 0.006 * Math.cos(i * 2.4) * Math.sqrt(i / 6),
					lat: 43.7696 + 0.0035 * Math.sin(i * 2.4) * Math.sqrt(i / 6),
					speed_kmh: i % 4 ? 18 + i : 0,
					heading: (i * 67) % 360,
					driver: "Ada Conti",
				})),
			);
			const opened = await open(streets, own, "#map=15/43.7696/11.2558&vehicle=VAN-2");
			await picture(opened, "streets");
			await turn(opened, { left: 330, top: 420 });
			await picture(opened, "streets-dark");
		} finally {
			await own.close();
			await streets.end();
		}
	});
});
